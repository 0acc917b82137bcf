"""Functional MRI response of nasopharyngeal carcinoma: the science and MRML layers of the NPCResponse module."""

__version__ = "0.1.0"
