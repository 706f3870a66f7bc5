"""Small projects in several languages, each with what is to be found in it."""

from typing import Any

PYTHON = {
    "pyproject.toml": "[project]\n",
    "src/shop/__init__.py": "",
    "src/shop/main.py": (
        "import os\nimport httpx\nfrom shop import orders\nfrom shop.users import User as U, nobody\n"
    ),
    "src/shop/orders.py": (
        "from .users import User\n"
        "from . import prices\n"
        "\n"
        "\n"
        "class Order:\n"
        "    @property\n"
        "    def total(self):\n"
        "        def inner(): ...\n"
        "        return 1\n"
        "\n"
        "    def _hidden(self): ...\n"
        "\n"
        "\n"
        "async def place(order): ...\n"
    ),
    "src/shop/users.py": (
        "import json\n\nclass User:\n    def __init__(self): ...\n\nclass _Secret:\n    def shown(self): ...\n"
    ),
    "src/shop/prices.py": "def broken(:\n",
    "tests/test_orders.py": ("from shop.orders import Order\nfrom shop.users import User\n\n\ndef test_total(): ...\n"),
    "tests/test_users.py": "def test_user(): ...\n",
    "node_modules/left/index.js": "function left() {}\n",
    "README.md": "# Shop\n",
}

# File that is asked about, files, functions with whether they are public, imports.

OTHERS: list[tuple[str, dict[str, str], list[tuple[str, bool]], list[tuple[str, Any, str]]]] = [
    (
        "web/app.ts",
        {
            "web/app.ts": (
                "import { a } from './util/a'\n"
                'import React from "react"\n'
                "import fs from 'node:fs'\n"
                "const b = require('../lib/b')\n"
                "export { c } from './c.js'\n"
                "// import x from './no'\n"
                "export async function run() {}\n"
                "function hidden() {}\n"
                "export const go = (x) => x\n"
                "class A {\n"
                "  private no() {\n"
                "  }\n"
                "  yes(a: string): void {\n"
                "    if (a) {\n"
                "    }\n"
                "  }\n"
                "}\n"
            ),
            "web/util/a/index.ts": "",
            "lib/b.js": "",
            "web/c.ts": "",
        },
        [("run", True), ("hidden", False), ("go", True), ("no", False), ("yes", True)],
        [
            ("./util/a", "web/util/a/index.ts", "internal"),
            ("react", None, "external"),
            ("node:fs", None, "standard"),
            ("../lib/b", "lib/b.js", "internal"),
            ("./c.js", "web/c.ts", "internal"),
        ],
    ),
    (
        "cmd/main.go",
        {
            "go.mod": ("module example.org/shop\n\ngo 1.22\n"),
            "cmd/main.go": (
                "package main\n"
                "\n"
                "import (\n"
                '\t"fmt"\n'
                '\tp "example.org/shop/pay"\n'
                '\t"github.com/x/y"\n'
                ")\n"
                "\n"
                "func main() {}\n"
                "func (s *Server) Serve(a int) {}\n"
            ),
            "pay/pay.go": "package pay\n",
            "pay/pay_test.go": "package pay\n",
        },
        [("main", False), ("Serve", True)],
        [
            ("fmt", None, "standard"),
            ("example.org/shop/pay", "pay/pay.go", "internal"),
            ("github.com/x/y", None, "external"),
        ],
    ),
    (
        "lib/shop.ex",
        {
            "lib/shop.ex": (
                "defmodule Shop do\n"
                "  alias Shop.{User, Order}\n"
                "  use GenServer\n"
                "\n"
                "  @impl true\n"
                "  def init(a), do: a\n"
                "  defp hidden?(b), do: b\n"
                "end\n"
            ),
            "lib/shop/user.ex": ("defmodule Shop.User do\nend\n"),
            "lib/shop/order.ex": ("defmodule Shop.Order do\nend\n"),
        },
        [("init", True), ("hidden?", False)],
        [
            ("Shop.User", "lib/shop/user.ex", "internal"),
            ("Shop.Order", "lib/shop/order.ex", "internal"),
            ("GenServer", None, "external"),
        ],
    ),
    (
        "src/lib.rs",
        {
            "src/lib.rs": (
                "mod pay;\n"
                "use crate::pay::Card;\n"
                "use std::fmt;\n"
                "use serde::Serialize;\n"
                "\n"
                "pub async fn run() {}\n"
                "fn hidden() {}\n"
            ),
            "src/pay.rs": "use super::run;\n",
        },
        [("run", True), ("hidden", False)],
        [
            ("mod pay", "src/pay.rs", "internal"),
            ("crate::pay::Card", "src/pay.rs", "internal"),
            ("std::fmt", None, "standard"),
            ("serde::Serialize", None, "external"),
        ],
    ),
    (
        "src/main/java/a/Main.java",
        {
            "src/main/java/a/Main.java": (
                "package a;\n"
                "import a.b.Pay;\n"
                "import java.util.List;\n"
                "import org.x.Y;\n"
                "public class Main {\n"
                "  @Override\n"
                "  public String run(List<String> x) {\n"
                "  }\n"
                "  private void no() { }\n"
                "}\n"
            ),
            "src/main/java/a/b/Pay.java": "package a.b;\n",
        },
        [("run", True), ("no", False)],
        [
            ("a.b.Pay", "src/main/java/a/b/Pay.java", "internal"),
            ("java.util.List", None, "standard"),
            ("org.x.Y", None, "external"),
        ],
    ),
]
