/* A snapshot for readers: people, Prometheus, Nagios. */
#ifndef TOWLINE_HEALTH_PRINT_H
#define TOWLINE_HEALTH_PRINT_H

#include <stdio.h>

#include "health/health.h"

/* A table, the worst first. */
void health_print_table(FILE *out, const json_t *snapshot);
/* Prometheus' text exposition format, version 0.0.4. */
void health_print_prometheus(FILE *out, const json_t *snapshot);
/* One line with performance data, as the Monitoring Plugins' guidelines have it. Returns the exit status:
 * 0 ok, 1 warning, 2 critical, 3 unknown. */
int health_print_nagios(FILE *out, const json_t *snapshot);

/* The fact's value for people: "93 %". */
void health_fact_text(const json_t *fact, char *text, size_t room);

#endif
