INSERT INTO row_totals (of_rows, key, n) SELECT 'forgotten_resources', '', count(*) FROM forgotten_resources;
INSERT INTO row_totals (of_rows, key, n) SELECT 'job_runs', job, count(*) FROM job_runs GROUP BY job;
