-- depends: 0003_lapse

-- Which agencies have had a matter of which region: what a filter offers to somebody who sees one territory. Kept apart,
-- since no index over millions of assignments answers it.
create table agency_in_region (
    region_code text collate "C" not null,
    agency_code text not null,
    agency_name text not null,
    primary key (region_code, agency_code)
);
insert into agency_in_region (region_code, agency_code, agency_name)
select region_code, agency_code, max(agency_name)
from assignment join matter on matter.id = assignment.matter_id group by region_code, agency_code;
