-- depends: 0002_open_assignments

-- A right that runs out unused is no breach: `lapsed` (docs/adr/0009). Windows of objection that were called overdue are
-- looked at again by the watch, which ends them and says so; what ended before is named by the same words.
update clock set next_look = legal_due + 1, breached_at = null
where rule = 'objection' and outcome is null and next_look is null;

update clock set outcome = 'lapsed', stopped_at = (legal_due + 1)::timestamp at time zone 'Asia/Shanghai'
where rule = 'objection' and outcome = 'late';

update clock set outcome = 'lapsed'
where rule in ('ask_review', 'rating') and outcome = 'met'
    and stopped_at = (legal_due + 1)::timestamp at time zone 'Asia/Shanghai';

create index clock_lapsed on clock (assignment_id) where outcome = 'lapsed';
create index assignment_unanswered on assignment (matter_id) where state = 'sent';
