-- depends: 0001_bus

-- The trace in which the subject was last worked on (W3C traceparent, and tracestate after a blank): what a worker loop
-- does later goes on with it. Empty while no traces are collected.
alter table stream add column trace text;
