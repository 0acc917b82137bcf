"""The sentences of a patient's report: verdict, methods, assumptions, references. Plain values in, plain text out."""

from .citations import Citing


def methods(report) -> Citing:
    return Citing.of(["R2* {xu2023}, tumor blood flow {liu2022}, RECIST 1.1 {eisenhauer2009}."])
