"""Recipes (typed YAML) become runs. Needs the extra `deweather[train]`; import its modules lazily."""
