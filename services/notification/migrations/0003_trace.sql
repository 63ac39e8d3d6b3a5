-- depends: 0002_territory

-- The trace in which it was found that this must be told (traceparent, and tracestate after a blank).
alter table document add column trace text;
alter table notice add column trace text;
