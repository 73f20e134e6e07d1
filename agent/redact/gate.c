#include "redact/gate.h"

#include <stdbool.h>
#include <string.h>
#include <towline/err.h>

#define STATES_MAX 4096
#define ROOT 0

struct state {
	uint16_t next[256];
	uint16_t fail;
	uint64_t rules; /* that have a keyword ending here */
};

struct gate {
	struct state *states;
	size_t count, capacity;
};

static unsigned char fold(unsigned char byte)
{
	return byte >= 'A' && byte <= 'Z' ? byte + ('a' - 'A') : byte;
}

static int add_state(struct gate *gate, uint16_t *ret_state)
{
	if (gate->count == STATES_MAX)
		return TL_ENOMEM;
	if (gate->count == gate->capacity) {
		size_t capacity = gate->capacity ? gate->capacity * 2 : 256;
		struct state *states = reallocarray(gate->states, capacity, sizeof *states);

		if (!states)
			return TL_ENOMEM;
		gate->states = states;
		gate->capacity = capacity;
	}
	memset(&gate->states[gate->count], 0, sizeof *gate->states);
	*ret_state = (uint16_t)gate->count++;
	return 0;
}

struct gate *gate_new(void)
{
	tl_auto(gate) struct gate *gate = calloc(1, sizeof *gate);
	uint16_t root;

	if (!gate || add_state(gate, &root) < 0)
		return NULL;
	return tl_steal(&gate);
}

int gate_add(struct gate *gate, const char *keyword, size_t len, unsigned bit)
{
	uint16_t at = ROOT;

	if (len == 0 || bit >= 64)
		return TL_EINVAL;
	for (size_t i = 0; i < len; i++) {
		unsigned char byte = fold((unsigned char)keyword[i]);
		uint16_t next = gate->states[at].next[byte];

		if (next == ROOT) {
			int r = add_state(gate, &next);

			if (r < 0)
				return r;
			gate->states[at].next[byte] = next;
		}
		at = next;
	}
	gate->states[at].rules |= UINT64_C(1) << bit;
	return 0;
}

/* Completes one state: where its tree has no edge, it goes where its longest proper suffix goes. */
static void complete_state(struct gate *gate, uint16_t at, uint16_t *queue, size_t *tail)
{
	struct state *state = &gate->states[at];

	for (unsigned byte = 0; byte < 256; byte++) {
		uint16_t next = state->next[byte];
		uint16_t other = at == ROOT ? ROOT : gate->states[state->fail].next[byte];

		if (next == ROOT) {
			state->next[byte] = other;
			continue;
		}
		gate->states[next].fail = other;
		gate->states[next].rules |= gate->states[other].rules;
		queue[(*tail)++] = next;
	}
}

/* Text is scanned as it is: upper-case bytes get the edges of their lower-case ones. */
static void fold_edges(struct gate *gate)
{
	for (size_t i = 0; i < gate->count; i++)
		for (unsigned byte = 'A'; byte <= 'Z'; byte++)
			gate->states[i].next[byte] =
				gate->states[i].next[fold((unsigned char)byte)];
}

int gate_build(struct gate *gate)
{
	tl_free uint16_t *queue = calloc(gate->count + 1, sizeof *queue);
	size_t head = 0, tail = 1;

	if (!queue)
		return TL_ENOMEM;
	queue[0] = ROOT;
	while (head < tail)
		complete_state(gate, queue[head++], queue, &tail);
	fold_edges(gate);
	return 0;
}

uint64_t gate_scan(const struct gate *gate, const void *bytes, size_t len)
{
	const unsigned char *at = bytes;
	const struct state *states = gate->states;
	uint64_t rules = 0;
	uint16_t state = ROOT;

	for (size_t i = 0; i < len; i++) {
		state = states[state].next[at[i]];
		rules |= states[state].rules;
	}
	return rules;
}

void gate_free(struct gate *gate)
{
	if (!gate)
		return;
	free(gate->states);
	free(gate);
}
