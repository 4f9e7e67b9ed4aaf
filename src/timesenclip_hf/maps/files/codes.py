"""What the numbers of a class layer mean; classes are 1, 2, ... in the order of the labels."""

NO_CLASS = 0
# A pixel whose best probability is below a threshold.
UNCERTAIN = 255
MOST_CLASSES = 254
