#include "store/slots.h"

#include <stdlib.h>
#include <string.h>

/* FNV-1a, 64 bits (isthe.com/chongo/tech/comp/fnv). */
static uint64_t hash_of(const char *key)
{
	uint64_t hash = 0xcbf29ce484222325u;

	for (; *key; key++)
		hash = (hash ^ (unsigned char)*key) * 0x100000001b3u;
	return hash;
}

int tl_slots_find(struct tl_slots *slots, const char *key)
{
	uint64_t hash = hash_of(key);

	for (int i = 0; i < TL_SLOTS; i++) {
		if (slots->slot[i].hash != hash || slots->slot[i].busy || !slots->slot[i].key)
			continue;
		if (strcmp(slots->slot[i].key, key) == 0) {
			slots->slot[i].used = ++slots->turn;
			return i;
		}
	}
	return -1;
}

int tl_slots_victim(const struct tl_slots *slots)
{
	int victim = -1;

	for (int i = 0; i < TL_SLOTS; i++) {
		if (!slots->slot[i].key)
			return i;
		if (slots->slot[i].busy)
			continue;
		if (victim < 0 || slots->slot[i].used < slots->slot[victim].used)
			victim = i;
	}
	return victim;
}

bool tl_slots_set(struct tl_slots *slots, int index, const char *key)
{
	tl_slots_drop(slots, index);
	slots->slot[index].key = strdup(key);
	slots->slot[index].hash = hash_of(key);
	slots->slot[index].used = ++slots->turn;
	return slots->slot[index].key != NULL;
}

void tl_slots_drop(struct tl_slots *slots, int index)
{
	free(slots->slot[index].key);
	slots->slot[index].key = NULL;
	slots->slot[index].hash = 0;
	slots->slot[index].used = 0;
	slots->slot[index].busy = false;
}

void tl_slots_clear(struct tl_slots *slots)
{
	for (int i = 0; i < TL_SLOTS; i++)
		tl_slots_drop(slots, i);
}
