# The commands and the page, on CPUs: docker build -t timesenclip_hf . && docker run --rm timesenclip_hf --help
# EXTRAS says what it can do; "" is the base install, which names pixels in arrays and Python only.
FROM python:3.11-slim-bookworm AS build
ARG EXTRAS=data,map,eval,demo
# PyTorch's own CPU build, without the CUDA libraries that the one of the index brings.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_EXTRA_INDEX_URL=$TORCH_INDEX
RUN python -m venv /opt/timesenclip
ENV PATH=/opt/timesenclip/bin:$PATH
WORKDIR /build
COPY constraints.txt ./
RUN pip install --constraint constraints.txt torch
COPY pyproject.toml README.md LICENSE ./
COPY src ./src
RUN pip install --constraint constraints.txt ".${EXTRAS:+[$EXTRAS]}"

FROM python:3.11-slim-bookworm
# libexpat1: the one library that a wheel, rasterio's, takes from the system and a slim image may lack.
RUN apt-get update && apt-get install --yes --no-install-recommends libexpat1=2.* && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 1000 land && mkdir /data && chown 1000 /data
COPY --from=build /opt/timesenclip /opt/timesenclip
ENV PATH=/opt/timesenclip/bin:$PATH HF_HUB_OFFLINE=1 MPLBACKEND=Agg PYTHONUNBUFFERED=1
USER 1000
WORKDIR /data
EXPOSE 7860
# The page, where somebody runs it: docker run --rm -p 7860:7860 timesenclip_hf demo-app --host 0.0.0.0
# A map: docker run --rm -v "$PWD:/data" --user "$(id -u)" timesenclip_hf map cube.nc --labels "maize,water" --output map.tif
ENTRYPOINT ["timesenclip"]
CMD ["--help"]
