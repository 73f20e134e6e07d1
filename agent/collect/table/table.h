/* What the tables of collectors share. A group's table is sorted by name and ends with NO_ROW; it holds
 * no name of another's. Private to agent/collect. */
#ifndef TOWLINE_COLLECT_TABLE_H
#define TOWLINE_COLLECT_TABLE_H

#include "collect/builtin/builtin.h"
#include "collect/collector.h"

#define KIB 1024u
#define MIB (1024u * 1024u)

#define S(...) ((const char *const[]){__VA_ARGS__, NULL})
#define NO_ROW \
	{ \
		.name = NULL \
	}

/* Which preset has a row: QUICK is in STANDARD too, and FULL has everything. */
#define QUICK (COLLECT_QUICK | COLLECT_DEFAULT)
#define STANDARD COLLECT_DEFAULT
#define FULL 0u
#define ROOT COLLECT_PRIVILEGED
/* A log: its end, or the range asked for. */
#define LOG (COLLECT_TAIL | COLLECT_TIMED | COLLECT_PRIVILEGED)

extern const struct collector identity_collectors[], health_collectors[], memory_collectors[],
	processes_collectors[], storage_collectors[], network_collectors[], services_collectors[],
	packages_collectors[], security_collectors[], containers_collectors[],
	applications_collectors[], logs_collectors[];

#endif
