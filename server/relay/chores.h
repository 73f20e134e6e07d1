/* What a relay does now and then beside serving, on the main thread between signals. */
#ifndef TOWLINE_RELAY_CHORES_H
#define TOWLINE_RELAY_CHORES_H

#include "relay/relay.h"

#define TL_CHORES_EVERY_MS 1000

struct tl_chores {
	struct tl_relay *relay;
	struct tl_store *store; /* opened at the first look */
	int64_t swept_ms, slow_ms;
	int64_t roster_version; /* that hosts were told of */
	uint64_t accepted;	/* connections, when this was last looked at */
	bool untidy;		/* connections have come since memory was given back */
};

/* Does what is due. Call it every TL_CHORES_EVERY_MS. Failures are logged and tried again. */
void tl_chores_run(struct tl_chores *chores);
void tl_chores_clear(struct tl_chores *chores);

#endif
