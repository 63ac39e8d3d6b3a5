"""科室工单系统: the ticket system of the demo city's departments, another vendor's product to Lianban.

One tenant is one department. It has its own database, words, statuses and interface, and imports nothing of Lianban.
"""
