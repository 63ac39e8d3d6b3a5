-- depends: 0002_progress

-- The time line tells the first service of a decision only; a second one by another channel proves no more.
delete from timeline_entry as later using timeline_entry as first
where later.kind = 'decision_served' and first.kind = 'decision_served' and first.matter_id = later.matter_id
    and first.position < later.position
    and not exists (
        select from timeline_entry as decided
        where decided.matter_id = later.matter_id and decided.kind = 'decided'
            and decided.position between first.position and later.position
    );

-- A window of objection that passed is no breach (docs/adr/0009).
delete from timeline_entry where kind = 'overdue' and data ->> 'rule' = 'objection';
