-- The middle of the times until which conversations are put away.

SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY snoozed_until) AS moment
FROM conversations WHERE status = 'snoozed' AND snoozed_until IS NOT NULL
