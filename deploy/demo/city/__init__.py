"""The demo city as data: regions, agencies, functions, responsibility catalogue, staff, site policy and profiles."""
