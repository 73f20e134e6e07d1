/* Which prepared statements a connection keeps: a fixed number of slots found by the statement's
 * text, the least recently used one given up first. Holds keys only; a back end keeps its statement
 * of slot i in an array of its own. One thread. */
#ifndef TOWLINE_SERVER_STORE_SLOTS_H
#define TOWLINE_SERVER_STORE_SLOTS_H

#include <stdbool.h>
#include <stdint.h>

#define TL_SLOTS 96

struct tl_slots {
	struct {
		char *key;
		uint64_t hash;
		uint64_t used; /* turn of the last use */
		bool busy;     /* its rows are being read: neither shared nor given up */
	} slot[TL_SLOTS];
	uint64_t turn;
};

/* The slot of `key`, now used; -1 when there is none that is free. */
int tl_slots_find(struct tl_slots *slots, const char *key);
/* The slot that a new statement should take: an empty one, else the one longest unused; -1 when all
 * are busy. The caller disposes of what it kept there and then calls tl_slots_set. */
int tl_slots_victim(const struct tl_slots *slots);
/* False when memory ran out: the slot is then empty. */
bool tl_slots_set(struct tl_slots *slots, int index, const char *key);
void tl_slots_drop(struct tl_slots *slots, int index);
void tl_slots_clear(struct tl_slots *slots);

#endif
