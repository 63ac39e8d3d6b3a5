-- depends: 0003_timeline

-- Sealed bytes look random: trying to compress them costs time and gains nothing.
alter table matter alter column words set storage external;
alter table matter alter column persons set storage external;
