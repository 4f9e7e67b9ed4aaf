"use strict";
// Shows each map zoomed and moved, and reads out what lies under the pointer. All it draws and says is in the page.
const ramp = JSON.parse(document.body.dataset.ramp);
const key = (pixels, at) => pixels[at] << 16 | pixels[at + 1] << 8 | pixels[at + 2];
const shadeOf = new Map(ramp.map((colour, shade) => [parseInt(colour.slice(1), 16), shade]));
const clamp = (value, low, high) => Math.min(Math.max(value, low), Math.max(low, high));
document.documentElement.classList.add("js");

function pixelsOf(picture) {
  const canvas = document.createElement("canvas");
  canvas.width = picture.naturalWidth;
  canvas.height = picture.naturalHeight;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(picture, 0, 0);
  return context.getImageData(0, 0, canvas.width, canvas.height);
}

async function show(section) {
  const told = JSON.parse(section.dataset.map);
  const [view, output, bar] = ["canvas", "output", ".bar"].map(name => section.querySelector(name));
  const rows = [...section.querySelectorAll("tr")], boxes = rows.map(row => row.querySelector("input"));
  const rowOf = new Map(rows.map((row, index) => [parseInt(row.dataset.colour.slice(1), 16), index]));
  const layers = new Map();
  for (const picture of section.querySelectorAll("img")) {
    await picture.decode();
    layers.set(picture.className, pixelsOf(picture));
  }
  const classes = layers.get("class"), { width, height } = classes;
  const empty = rows.findIndex(row => row.dataset.empty !== undefined);
  const codes = new Int16Array(width * height);
  for (let at = 0; at < codes.length; at++)
    codes[at] = classes.data[4 * at + 3] ? rowOf.get(key(classes.data, 4 * at)) ?? -1 : empty;
  const drawn = document.createElement("canvas");
  drawn.width = width;
  drawn.height = height;
  let scale = 0, x = width / 2, y = height / 2, cross = false;  // css pixels a map pixel; what lies in the middle

  const chosen = () => section.querySelector(".layers input:checked");
  const fitting = () => Math.min(view.clientWidth / width, view.clientHeight / (height * told.stretch));

  function paint() {  // the layer, without the classes that are hidden
    const { data } = layers.get(chosen().value), copy = new ImageData(new Uint8ClampedArray(data), width, height);
    for (let at = 0; at < codes.length; at++) if (codes[at] >= 0 && !boxes[codes[at]].checked) copy.data[4 * at + 3] = 0;
    drawn.getContext("2d").putImageData(copy, 0, 0);
    const largest = Number(chosen().dataset.largest), legend = section.querySelector(".ramp");
    legend.style.display = largest ? "grid" : "none";
    legend.querySelector(".largest").textContent = largest;
    legend.querySelector("i").style.background = `linear-gradient(to right, ${ramp.filter((_, at) => at % 15 === 0).join()})`;
    draw();
  }

  function draw() {
    const least = fitting(), density = window.devicePixelRatio || 1;
    scale = clamp(scale, least, Math.max(least * 2, 48));
    const halves = [view.clientWidth / 2 / scale, view.clientHeight / 2 / scale / told.stretch];
    x = halves[0] * 2 >= width ? width / 2 : clamp(x, halves[0], width - halves[0]);
    y = halves[1] * 2 >= height ? height / 2 : clamp(y, halves[1], height - halves[1]);
    view.width = Math.round(view.clientWidth * density);
    view.height = Math.round(view.clientHeight * density);
    const context = view.getContext("2d"), across = scale * density, down = across * told.stretch;
    context.imageSmoothingEnabled = across < 1;
    context.setTransform(across, 0, 0, down, view.width / 2 - x * across, view.height / 2 - y * down);
    context.drawImage(drawn, 0, 0);
    context.setTransform(density, 0, 0, density, view.width / 2, view.height / 2);
    if (cross) for (const [colour, line] of [["#fff", 4], ["#000", 1.5]]) {
      context.strokeStyle = colour;
      context.lineWidth = line;
      context.beginPath();
      for (const [a, b] of [[-14, -4], [4, 14]]) {
        context.moveTo(a, 0); context.lineTo(b, 0); context.moveTo(0, a); context.lineTo(0, b);
      }
      context.stroke();
    }
    bar.hidden = !told.metres;
    if (told.metres) {  // the longest round length of at most 120 pixels
      const most = 120 / scale * told.metres, power = 10 ** Math.floor(Math.log10(most));
      const length = [5, 2, 1].map(times => times * power).find(each => each <= most);
      bar.querySelector("span").textContent = length >= 1000 ? `${length / 1000} km` : `${+length.toPrecision(2)} m`;
      bar.querySelector("i").style.width = `${length / told.metres * scale}px`;
    }
  }

  function degrees(column, row) {  // between the nodes of the grid of degrees
    const side = told.nodes[0].length ** .5 - 1, u = column / width * side, v = row / height * side;
    const i = clamp(Math.floor(u), 0, side - 1), j = clamp(Math.floor(v), 0, side - 1);
    return told.nodes.map(values => {
      const at = (a, b) => values[(j + b) * (side + 1) + i + a], p = u - i, q = v - j;
      return at(0, 0) * (1 - p) * (1 - q) + at(1, 0) * p * (1 - q) + at(0, 1) * (1 - p) * q + at(1, 1) * p * q;
    });
  }

  function tell(column, row) {
    const i = Math.floor(column), j = Math.floor(row), inside = i >= 0 && j >= 0 && i < width && j < height;
    const at = j * width + i, code = inside ? codes[at] : -1;
    for (const [index, each] of rows.entries()) each.classList.toggle("here", index === code);
    output.replaceChildren();
    if (!inside) return;
    const name = document.createElement("b");
    name.textContent = code < 0 ? "no data" : rows[code].querySelector("th").textContent;
    const values = [];
    for (const input of section.querySelectorAll(".layers input")) {
      const layer = layers.get(input.value).data, largest = Number(input.dataset.largest);
      if (!largest || !layer[4 * at + 3] || !["probability", chosen().value].includes(input.value)) continue;
      const value = (shadeOf.get(key(layer, 4 * at)) - 1) / 254 * largest;
      values.push(`${input.dataset.title.toLowerCase()} ${largest > 2 ? Math.round(value) : value.toFixed(2)}`);
    }
    const digits = told.unit === "°" ? 5 : 0;
    const place = [told.origin[0] + column * told.pixel[0], told.origin[1] + row * told.pixel[1]];
    const lines = [`${told.names[0]} ${place[0].toFixed(digits)}${told.unit}, ${told.names[1]} ${place[1].toFixed(digits)}${told.unit}`];
    if (told.nodes && told.unit !== "°") {
      const [east, north] = degrees(column, row), turned = ((east + 180) % 360 + 360) % 360 - 180;
      lines.push(`${Math.abs(north).toFixed(5)}° ${north < 0 ? "S" : "N"}, ${Math.abs(turned).toFixed(5)}° ${turned < 0 ? "W" : "E"}`);
    }
    output.append(name, values.length ? ` · ${values.join(" · ")}` : "", document.createElement("br"), lines.join(" · "));
  }

  const placeOf = (left, top) => {
    const box = view.getBoundingClientRect();
    return [x + (left - box.left - box.width / 2) / scale, y + (top - box.top - box.height / 2) / scale / told.stretch];
  };
  function zoom(factor, left, top) {  // about a point of the window, or the middle
    const box = view.getBoundingClientRect(), about = [left ?? box.left + box.width / 2, top ?? box.top + box.height / 2];
    const before = placeOf(...about);
    scale = clamp(scale * factor, fitting(), Math.max(fitting() * 2, 48));
    const after = placeOf(...about);
    x += before[0] - after[0];
    y += before[1] - after[1];
    draw();
  }

  const fingers = new Map();
  view.addEventListener("pointerdown", event => {
    view.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, [event.clientX, event.clientY]);
    cross = false;
    tell(...placeOf(event.clientX, event.clientY));
    draw();
  });
  view.addEventListener("pointermove", event => {
    const last = fingers.get(event.pointerId), here = [event.clientX, event.clientY];
    if (last) {
      const other = [...fingers].find(([id]) => id !== event.pointerId)?.[1];
      if (other) {
        const apart = point => Math.hypot(point[0] - other[0], point[1] - other[1]);
        zoom(apart(here) / Math.max(apart(last), 1), (here[0] + other[0]) / 2, (here[1] + other[1]) / 2);
      }
      const share = other ? 2 : 1;  // the middle of two fingers moves half as far as one of them
      x -= (here[0] - last[0]) / scale / share;
      y -= (here[1] - last[1]) / scale / told.stretch / share;
      fingers.set(event.pointerId, here);
      draw();
    }
    if (fingers.size < 2) { output.removeAttribute("aria-live"); tell(...placeOf(...here)); }
  });
  for (const name of ["pointerup", "pointercancel"]) view.addEventListener(name, event => fingers.delete(event.pointerId));
  view.addEventListener("wheel", event => {
    event.preventDefault();
    zoom(1.0015 ** -(event.deltaMode ? event.deltaY * 33 : event.deltaY), event.clientX, event.clientY);
    tell(...placeOf(event.clientX, event.clientY));
  }, { passive: false });
  view.addEventListener("dblclick", event => zoom(2, event.clientX, event.clientY));
  view.addEventListener("keydown", event => {
    const step = [view.clientWidth / scale / 8, view.clientHeight / scale / told.stretch / 8];
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const factors = { "+": 1.5, "=": 1.5, "-": 1 / 1.5, "0": 0 };
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key in moves) [x, y] = [x + moves[event.key][0] * step[0], y + moves[event.key][1] * step[1]];
    else if (event.key in factors) zoom(factors[event.key]);
    else return;
    event.preventDefault();
    cross = true;
    draw();
    output.setAttribute("aria-live", "polite");
    tell(x, y);
  });
  const acts = {
    in: () => zoom(1.5), out: () => zoom(1 / 1.5), all: () => zoom(0),
    show: () => { for (const box of boxes) box.checked = true; paint(); },
    hide: () => { for (const box of boxes) box.checked = false; paint(); },
  };
  for (const button of section.querySelectorAll("button")) button.addEventListener("click", () => acts[button.dataset.do]());
  for (const input of section.querySelectorAll("input")) input.addEventListener("change", paint);
  section.querySelector(".north").hidden = told.north === null;
  section.querySelector(".north g").setAttribute("transform", `rotate(${told.north ?? 0})`);
  new ResizeObserver(draw).observe(view);
  paint();
  section.dataset.ready = "";
}
for (const section of document.querySelectorAll("section")) show(section);
