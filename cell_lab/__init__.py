"""Where makes of cells are identified and estimators are tried on recordings."""
