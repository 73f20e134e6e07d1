/* Working off the queue: the first item gets its ticket, then its bundle is uploaded, then the next.
 * delivery_step is the only switch. Loop thread only. */
#ifndef TOWLINE_AGENT_DELIVERY_H
#define TOWLINE_AGENT_DELIVERY_H

#include "core/relay.h"
#include "daemon/queue.h"

struct tl_delivery;

struct tl_delivery_options {
	uv_loop_t *loop;
	struct tl_relay *relay;
	struct tl_queue *queue;
	/* Asks for `consent`, a receipt, with the ticket in it; answered by tl_delivery_named, at once or
	 * later. NULL: receipts stay as they are. */
	void (*name_ticket)(void *arg, struct tl_delivery *delivery, const char *consent,
			    const char *ticket);
	void *arg;
	int64_t chunk_bytes; /* of uploads; 0: TL_UPLOAD_CHUNK */
	int bundles_fd;	     /* the directory of spooled bundles; borrowed */
};

TL_MUST_CHECK int tl_delivery_new(const struct tl_delivery_options *options,
				  struct tl_delivery **ret_delivery, struct tl_err *err);
/* There is something new in the queue. One that waits for the relay goes on waiting. */
void tl_delivery_wake(struct tl_delivery *delivery);
/* The relay has become reachable: what waits for it goes on at once. */
void tl_delivery_reachable(struct tl_delivery *delivery);
/* The receipt that was asked for; NULL when it could not be had: what there is must do. */
void tl_delivery_named(struct tl_delivery *delivery, const char *consent);
void tl_delivery_close(struct tl_delivery *delivery);

/* "<help_id>.tar.zst" */
void tl_bundle_file_name(const char *help_id, char name[static 64]);

#endif
