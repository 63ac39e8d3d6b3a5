-- depends: 0001_exchange

-- The whole trace context (traceparent, and tracestate after a blank), as in the streams.
alter table delivery rename column traceparent to trace;
