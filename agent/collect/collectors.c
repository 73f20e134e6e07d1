#include "collect/collector.h"

#include <pthread.h>
#include <stdlib.h>

#include "collect/table/table.h"

/* In the order in which they run: facts first, logs last. */
static const struct collector *const groups[] = {
	identity_collectors, health_collectors,	    memory_collectors,	     processes_collectors,
	storage_collectors,  network_collectors,    services_collectors,     packages_collectors,
	security_collectors, containers_collectors, applications_collectors, logs_collectors,
};

static struct collector *table; /* made once, kept for ever */
static size_t table_count;
static pthread_once_t joined = PTHREAD_ONCE_INIT;

static void join(void)
{
	table = calloc(COLLECTORS_MAX, sizeof *table);
	for (size_t i = 0; table && i < TL_ARRAY_LEN(groups); i++)
		for (const struct collector *row = groups[i];
		     row->name && table_count < COLLECTORS_MAX; row++)
			table[table_count++] = *row;
}

const struct collector *collectors_all(size_t *ret_count)
{
	pthread_once(&joined, join);
	*ret_count = table_count;
	return table;
}
