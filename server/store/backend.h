/* What a database system provides to store.c. One row of functions each for SQLite and PostgreSQL;
 * store.c checks arguments and keeps the transaction's state, a back end only speaks its system's
 * language and maps its errors. */
#ifndef TOWLINE_SERVER_STORE_BACKEND_H
#define TOWLINE_SERVER_STORE_BACKEND_H

#include "store/store.h"

struct tl_store {
	const struct tl_store_backend *backend;
	bool in_transaction;
	bool failed; /* a statement of this transaction failed: it can only roll back */
	bool lost;   /* … because another transaction was first: worth another try */
};

struct tl_rows {
	struct tl_store *store;
};

struct tl_store_statement {
	const char *sql;
	const struct tl_store_arg *args;
	size_t arg_count;
};

struct tl_store_backend {
	const char *scheme; /* of the URL, with its colon */
	int (*open)(const char *url, struct tl_store **ret_store, struct tl_err *err);
	void (*close)(struct tl_store *store);

	int (*begin)(struct tl_store *store, struct tl_err *err);
	int (*commit)(struct tl_store *store, struct tl_err *err);
	void (*rollback)(struct tl_store *store);

	/* Several statements without arguments, separated by ';'. */
	int (*script)(struct tl_store *store, const char *sql, struct tl_err *err);
	int (*exec)(struct tl_store *store, const struct tl_store_statement *statement,
		    int64_t *ret_changed, struct tl_err *err);
	int (*query)(struct tl_store *store, const struct tl_store_statement *statement,
		     struct tl_rows **ret_rows, struct tl_err *err);

	int (*next)(struct tl_rows *rows, struct tl_err *err);
	bool (*is_null)(const struct tl_rows *rows, int column);
	int64_t (*number)(const struct tl_rows *rows, int column);
	const char *(*text)(const struct tl_rows *rows, int column);
	void (*free)(struct tl_rows *rows);
};

extern const struct tl_store_backend tl_store_sqlite;
extern const struct tl_store_backend tl_store_postgresql;

/* Runs a migration's script inside the transaction (migrate.c). */
TL_MUST_CHECK int tl_store_script(struct tl_store *store, const char *sql, struct tl_err *err);

#endif
