"""The endpoints under `/v1`, one file for each noun; each has a list of its `ENDPOINTS`."""
