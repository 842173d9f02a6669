"""Compiled code of these tests is kept in a folder of their own."""

import pytest


@pytest.fixture(autouse=True, scope="session")
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SNNC_CACHE", str(tmp_path_factory.mktemp("native")))
        yield
