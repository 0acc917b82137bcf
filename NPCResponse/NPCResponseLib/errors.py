"""The one exception for a user's mistake."""


class InputError(ValueError):
    """Input that cannot be used, told in one sentence: what is wrong, where, and what to do about it.

    Front ends show ``str(error)`` and nothing else: one message in Slicer, one line and exit code 2 on the command
    line. Every other exception is a defect of this software and keeps its traceback.
    """

    def __init__(self, what: str, *, where: str = "", remedy: str = ""):
        self.what, self.where, self.remedy = what, where, remedy
        sentence = _ended(f"{where}: {what}" if where else what)
        super().__init__(f"{sentence} {_ended(remedy)}" if remedy else sentence)


def _ended(sentence: str) -> str:
    return sentence if sentence.endswith("?") else f"{sentence.rstrip('.')}."
