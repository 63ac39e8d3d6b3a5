"""Grafana: provisioning, and the dashboards with the program that writes them."""
