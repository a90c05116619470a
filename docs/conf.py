"""Sphinx configuration. Everything under generated/ is made here, before Sphinx looks for pages."""

import inspect
import pathlib
import shutil
import sys

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parent
sys.path.insert(0, str(ROOT))  # for the benchmarks package, which is not installed

import spectralkit  # noqa: E402
from benchmarks import _harness  # noqa: E402

project = "spectralkit"
author = copyright = "the spectralkit developers"
version = release = spectralkit.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx.ext.viewcode",
    "numpydoc",
    "myst_nb",
    "sphinx_gallery.gen_gallery",
    "sphinxcontrib.bibtex",
]
exclude_patterns = ["_build", "gallery/**/*.ipynb", "**/README.txt"]
templates_path = ["_templates"]


# Notebooks are run by their test, not by the documentation.
nb_execution_mode = "off"
myst_enable_extensions = ["amsmath", "colon_fence", "dollarmath"]
myst_heading_anchors = 3

autodoc_typehints = "none"
autosummary_generate = True
autosummary_ignore_module_all = False
numpydoc_show_class_members = False

bibtex_bibfiles = ["references.bib"]
bibtex_reference_style = "author_year"

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    "filename_pattern": r"/plot_",
    "ignore_pattern": r"__init__\.py|notebooks",
    "download_all_examples": False,
    "remove_config_comments": True,
    "show_signature": False,
    "plot_gallery": "True",
    "abort_on_example_error": False,
}

html_theme = "pydata_sphinx_theme"
html_title = "spectralkit"
html_static_path = ["_static"]
html_css_files = ["custom.css"]
html_show_sourcelink = False
html_theme_options = {
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
}
html_sidebars = {"index": [], "install": [], "adding_a_method": [], "references": []}


def generate_pages(app, config):
    """Write the pages made from other files: API, benchmarks, changelog, notebooks."""
    generated = HERE / "generated"
    (generated / "api").mkdir(parents=True, exist_ok=True)
    pages = {
        "benchmarks.md": _harness.render(),
        "changelog.md": changelog(),
        **{f"api/{name}.rst": text for name, text in api_pages().items()},
    }
    for name, text in pages.items():
        path = generated / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:  # Sphinx rebuilds what is newer
            path.write_text(text, encoding="utf-8")
    shutil.copytree(ROOT / "examples" / "notebooks", generated / "notebooks", dirs_exist_ok=True)


def changelog():
    """Return the fragments that are not yet released, and CHANGELOG.md after them."""
    heading, _, released = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").partition("<!--")
    fragments = sorted((ROOT / "changelog.d").glob("*.*.md"))
    unreleased = "\n".join(
        f"- {path.suffixes[0].removeprefix('.').capitalize()}: {path.read_text(encoding='utf-8').strip()}"
        for path in fragments
    )
    return f"{heading}\n## Not yet released\n\n{unreleased}\n\n<!--{released}"


def api_pages():
    """Return one page for each public module, and one for the names of the package itself.

    The names are those of the stubs, so a line in a family's ``__init__.pyi`` is all that a new name needs.
    """
    pages, loose = {}, []
    for name in spectralkit.__all__:
        value = getattr(spectralkit, name)
        if inspect.ismodule(value):
            pages[name] = api_page(value, public_names(value))
        else:
            loose.append(name)
    pages["spectralkit"] = api_page(spectralkit, loose)
    return pages


def public_names(module):
    """Return what a module declares as public, or what it defines without an underscore."""
    if hasattr(module, "__all__"):
        return sorted(module.__all__)
    return sorted(
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", None) == module.__name__
    )


def api_page(module, names):
    """Return the page of one module: its docstring, then a table of classes and one of functions."""
    values = {name: getattr(module, name) for name in names}
    classes = [name for name, value in values.items() if inspect.isclass(value)]
    title = module.__name__
    parts = [title, "=" * len(title), "", f".. currentmodule:: {title}", "", inspect.getdoc(module) or "", ""]
    for heading, group in (
        ("Classes", classes),
        ("Functions", [name for name in names if name not in classes]),
    ):
        if group:
            parts += [heading, "-" * len(heading), "", ".. autosummary::", "   :toctree: names", ""]
            parts += [f"   {name}" for name in group] + [""]
    return "\n".join(parts)


def skip_foreign_members(app, what, name, value, skip, options):
    """Leave out what scikit-learn gives every estimator, and attributes, which the class describes."""
    if (getattr(value, "__module__", None) or "").startswith("sklearn."):
        return True
    if isinstance(value, property) and name.endswith("_"):
        return True
    return True if name.startswith("set_") and name.endswith("_request") else skip


def setup(app):
    """Connect the hooks."""
    app.connect("config-inited", generate_pages)
    app.connect("autodoc-skip-member", skip_foreign_members)
