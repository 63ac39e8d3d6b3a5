-- depends: 0006_tallies

-- Changes are added up in any order, and all of them: they need no number and no index.
alter table tally_change drop column id;
