"""When bodies are built: most of them when they are first used."""

import subprocess
import sys

_UNBUILT = """
from pydantic import BaseModel
import service.api.build

def below(model):
    return {each for child in model.__subclasses__() for each in {child, *below(child)}}

for model in below(BaseModel):
    if model.__module__.startswith("service.api.schemas") and model.__pydantic_complete__:
        print(model.__name__)
"""


def test_only_what_files_and_what_has_a_secret_is_built_at_the_start() -> None:
    """Nothing may fail between the creation of a key and the only answer that has it."""
    done = subprocess.run([sys.executable, "-c", _UNBUILT], capture_output=True, text=True, check=True)
    built = set(done.stdout.split())
    assert {"CreatedKeyOut", "SealedKeyOut", "CreateAccessKey"} <= built
    assert not built & {"RequestOut", "RequestPageOut", "NewDecision", "KeyToRegister", "ActionOut"}
