"""The edge controller of one site; works on when the cloud is gone."""
