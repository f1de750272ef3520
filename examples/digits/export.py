"""Writes digits.csv.gz: the 8x8 images of handwritten digits that scikit-learn carries, a row each.

    pip install scikit-learn
    python export.py

The images are the test set of "Optical Recognition of Handwritten Digits" (Alpaydin & Kaynak 1998, UCI Machine Learning Repository,
https://doi.org/10.24432/C50P49, CC BY 4.0).
"""

import gzip
from pathlib import Path

from sklearn.datasets import load_digits

digits = load_digits()
lines = ["digit," + ",".join(f"x{k}" for k in range(1, 65))]
for image, digit in zip(digits.data, digits.target):
    lines.append(f"{digit}," + ",".join(f"{pixel:.0f}" for pixel in image))
path = Path(__file__).with_name("digits.csv.gz")
text = "\n".join(lines) + "\n"
path.write_bytes(gzip.compress(text.encode(), compresslevel=9, mtime=0))
print(f"{len(digits.target)} images in {path.name}")
