-- depends: 0005_months

-- What is over is never counted again: each change appends to `tally_change` in its own transaction, so that no two
-- transactions wait for one row, and a loop adds these up in `tally`. `counted` is both together: exact at any time.
set local lock_timeout = '10s';
set local statement_timeout = '30min';

create table tally (
    what text not null constraint tally_known check (what in ('matters', 'assignments', 'objections', 'clocks')),
    region_code text collate "C" not null,
    agency_code text not null default '',
    rule text not null default '',
    word text not null default '',
    n bigint not null,
    primary key (what, region_code, agency_code, rule, word)
);
create table tally_change (
    id bigint generated always as identity primary key,
    what text not null,
    region_code text collate "C" not null,
    agency_code text not null default '',
    rule text not null default '',
    word text not null default '',
    n int not null
);
create view counted as
    select what, region_code, agency_code, rule, word, n from tally
    union all
    select what, region_code, agency_code, rule, word, n from tally_change;

-- `matters`: by state (word); `assignments` and `objections`: by agency; `clocks`: ended ones by agency, rule and outcome (word).
insert into tally (what, region_code, word, n)
select 'matters', region_code, state, count(*) from matter group by region_code, state;
insert into tally (what, region_code, agency_code, n)
select what, region_code, agency_code, sum(n)
from assignment join matter on matter.id = assignment.matter_id,
    lateral (values ('assignments', 1), ('objections', objections)) as counted (what, n)
group by what, region_code, agency_code;
insert into tally (what, region_code, agency_code, rule, word, n)
select 'clocks', region_code, coalesce(bound_code, ''), rule, outcome, count(*)
from clock join matter on matter.id = clock.matter_id where outcome is not null
group by region_code, coalesce(bound_code, ''), rule, outcome;

-- What is open is counted when somebody asks: it is bounded by the work in hand. The region stands in these rows, so
-- that an index alone answers; rows that had ended before have none and need none.
alter table clock add column region_code text collate "C";
alter table assignment add column region_code text collate "C";
update clock set region_code = matter.region_code from matter where matter.id = clock.matter_id and outcome is null;
update assignment set region_code = matter.region_code from matter
where matter.id = assignment.matter_id and ended_at is null;

create index clock_running_figures on clock (region_code, rule, bound_code, legal_due, provisional)
    where outcome is null;
create index clock_provisional on clock (legal_due, id) where outcome is null and provisional;
drop index clock_agency;
drop index assignment_open;
create index assignment_open on assignment (region_code, agency_code) where ended_at is null;
drop index assignment_agency;
create index assignment_of_agency on assignment (agency_code, sent_at desc, id desc);
drop index matter_by_lead;
create index matter_by_region on matter (region_code, changed_at desc, id desc);
