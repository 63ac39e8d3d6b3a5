"""The demo city's mail server: takes everything, keeps it on disk and shows it in the browser; sends nothing on."""
