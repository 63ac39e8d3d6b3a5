-- depends: 0001_notices

-- Officials read documents of matters of their territory only.
alter table matter add column region_code text not null default '';
alter table matter alter column region_code drop default;
