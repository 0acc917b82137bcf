"""Things described in a text file, YAML or JSON: read, checked against a model, and every fault told with its line."""

import difflib
import json
from pathlib import Path
from typing import Annotated, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..errors import InputError

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Text = Annotated[str, Field(min_length=1)]


class DescribedPart(BaseModel):
    """Nothing but the fields of the model: a misspelled one must not be passed over."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


Described = TypeVar("Described", bound=DescribedPart)


def read_described(path: Path, model: type[Described], *, first_fields: str, text: str | None = None):
    """(the tree with its line numbers, the checked description).

    Args:
        first_fields: what such a file begins with, for the message about one that does not.
        text: instead of the file's.

    Raises:
        InputError: not readable, or with the line of the first fault and how many more there are.
    """
    if text is None:
        try:
            text = path.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"cannot be read as text ({error})", where=str(path), remedy="Save it as UTF-8") from error
    root, data = _parse(text, path, first_fields)
    if not isinstance(data, dict):
        raise fault(path, root, (), f"it must begin with fields such as {first_fields}")
    try:
        return root, model.model_validate(data)
    except ValidationError as error:
        raise _validation_fault(path, root, error, model) from None


def _parse(text: str, path: Path, first_fields: str):
    """The tree with its line numbers, and the values."""
    is_json = path.suffix.lower() == ".json"
    try:
        if is_json:
            json.loads(text)
            text = text.replace("\t", " ")  # white space in JSON, an error in YAML, which reads JSON otherwise
        loader = yaml.SafeLoader(text)
        try:
            root = loader.get_single_node()
            if root is None:
                raise InputError("it is empty", where=str(path), remedy=f"Name {first_fields}")
            _refuse_repeated_keys(root, path)
            return root, loader.construct_document(root)
        finally:
            loader.dispose()
    except json.JSONDecodeError as error:
        raise InputError(f"line {error.lineno}: {error.msg}", where=str(path), remedy="Mend the JSON") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f"line {mark.line + 1}: " if mark else ""
        problem = getattr(error, "problem", None) or "it is not readable"
        raise InputError(f"{line}{problem}", where=str(path), remedy="Mend the YAML") from error


def _refuse_repeated_keys(node, path: Path) -> None:
    """YAML takes the last of two equal keys, silently."""
    if isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                line = key.start_mark.line + 1
                raise InputError(f"line {line}: a field needs a plain name", where=str(path), remedy="Mend the YAML")
            if key.value in seen:
                raise InputError(
                    f"line {key.start_mark.line + 1}: {key.value} is given twice",
                    where=str(path),
                    remedy="Keep one of them",
                )
            seen.add(key.value)
            _refuse_repeated_keys(value, path)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _refuse_repeated_keys(item, path)


# -- faults with their lines --


def _validation_fault(path: Path, root, error: ValidationError, model: type[BaseModel]) -> InputError:
    # A misspelled field is also a missing one: the misspelling says more.
    faults = sorted(error.errors(include_url=False), key=lambda found: found["type"] != "extra_forbidden")
    first = faults[0]
    more = f" ({len(faults) - 1} more after it)" if len(faults) > 1 else ""
    location = tuple(first["loc"])
    if first["type"] == "extra_forbidden":
        return fault(path, root, location, f"unknown field{_suggestion(location, model)}{more}")
    if first["type"] == "missing":
        return fault(path, root, location, f"the field is missing{more}")
    message = first["msg"].removeprefix("Value error, ")
    return fault(path, root, location, f"{message[0].lower()}{message[1:]}{more}")


def _suggestion(location: tuple, model: type[BaseModel] | None) -> str:
    """The nearest field that the place knows."""
    for step in location[:-1]:
        if isinstance(step, str) and model is not None and step in model.model_fields:
            model = _model_of(model.model_fields[step].annotation)
    known = list(model.model_fields) if model else []
    nearest = difflib.get_close_matches(str(location[-1]), known, n=1)
    return f"; did you mean {nearest[0]}?" if nearest else f"; known are {', '.join(known)}" if known else ""


def _model_of(annotation) -> type[BaseModel] | None:
    """The model within Optional, tuple or Annotated."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in getattr(annotation, "__args__", ()) if (found := _model_of(part))), None)


def fault(path: Path, root, location: tuple, what: str) -> InputError:
    """The error for a place in the description, with its line."""
    line, reached = _line_of(root, location)
    name = ".".join(str(step + 1) if isinstance(step, int) else step for step in reached)
    return InputError(
        f"line {line}: {name}: {what}" if name else f"line {line}: {what}",
        where=str(path),
        remedy="Correct the description",
    )


def _line_of(root, location: tuple) -> tuple[int, tuple]:
    """The line (from 1) of a place in the tree, or of what comes nearest; and the place's name without pydantic's own
    words for the branches of a union."""
    node, line, reached = root, root.start_mark.line, []
    for step in location:
        if isinstance(node, yaml.MappingNode) and isinstance(step, str):
            pair = next(((key, value) for key, value in node.value if key.value == step), None)
            if pair is None:
                is_last = step == location[-1]
                return line + 1, (*reached, *((step,) if is_last else ()))
            line, node = pair[0].start_mark.line, pair[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
            line = node.start_mark.line
        else:
            continue
        reached.append(step)
    return line + 1, tuple(reached)
