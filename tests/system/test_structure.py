"""tests/structure finds each breach that it is there for, names file and line, and passes a clean tree."""
import pathlib
import subprocess
import sys

import pytest

STRUCTURE = pathlib.Path(__file__).resolve().parents[1] / "structure"
CLEAN = {
    "include/towline/one.h": "int tl_one(void);\n",
    "common/one.c": "#include <towline/one.h>\n\nint tl_one(void)\n{\n\treturn 1;\n}\n",
    "common/CMakeLists.txt": "towline_library(towline_common SOURCES one.c)\n",
    "agent/core/CMakeLists.txt": "towline_library(towline_agent_core SOURCES a.c LIBS towline_common)\n",
    "agent/core/a.c": '#include "core/a.h"\n',
    "agent/core/a.h": "int agent_a(void);\n",
    "server/desk/CMakeLists.txt": "towline_library(towline_desk SOURCES d.c LIBS towline_common)\n",
    "server/desk/d.c": '#include "desk/d.h"\n',
    "server/desk/d.h": "int desk_d(void);\n",
    "docs/a.md": "[b](b.md)\n",
    "docs/b.md": "b\n",
}
BREACHES = {
    "agent/core/a.c": ['#include "desk/d.h"\n', '#include "../../server/desk/d.h"\n',
                       "int f(void)\n{\n" + "\tf();\n" * 100 + "}\n", "void f(void)\n{\n\tgoto end;\nend:;\n}\n",
                       "/* TO" "DO: all of it */\n"],
    "server/desk/d.c": ['#include "core/a.h"\n'],
    "common/one.c": ['#include "../agent/core/a.h"\n'],
    "agent/core/a.h": ["size_t agent_a(void);\n"],
    "agent/core/CMakeLists.txt": ["towline_library(towline_agent_core SOURCES a.c LIBS towline_desk)\n",
                                  "file(GLOB sources a.c)\n", "# nothing\n"],
    "tests/unit/test_a.c": ['#include "../../agent/core/a.c"\n'],
    "tests/fuzz/fuzz_a.c": ["int fuzz;\n"],
    "docs/a.md": ["[c](c.md)\n"],
}


def check(directory, files):
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    subprocess.run(["git", "init", "-q", directory], check=True)
    return subprocess.run([sys.executable, STRUCTURE, directory], capture_output=True, text=True, timeout=60)


def test_clean_tree_passes(tmp_path):
    result = check(tmp_path, CLEAN)
    assert (result.returncode, result.stdout) == (0, ""), result.stdout + result.stderr


@pytest.mark.parametrize("name,text", [(name, text) for name, texts in BREACHES.items() for text in texts])
def test_breach_is_found_where_it_is(tmp_path, name, text):
    result = check(tmp_path, {**CLEAN, name: text})
    assert result.returncode == 1, result.stderr
    assert f"{name}:" in result.stdout or f"{pathlib.Path(name).parent}/a.c:" in result.stdout
