/* The schema's history: one row a version, ascending without gaps. A row that has been released is
 * never edited; what changes is a new row. */
#ifndef TOWLINE_SERVER_MIGRATIONS_H
#define TOWLINE_SERVER_MIGRATIONS_H

#include <stddef.h>
#include <stdint.h>

struct tl_migration {
	int64_t version;
	const char *name;
	const char *sql;	    /* statements separated by ';' */
	const char *sql_postgresql; /* NULL: the same */
};

extern const struct tl_migration tl_migrations[];
extern const size_t tl_migration_count;

#endif
