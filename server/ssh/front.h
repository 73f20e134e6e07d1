/* The relay's SSH front door: engineers log in with a registered public key and reach endpoints that
 * have none of their ports open.
 *
 *     ssh TARGET@relay      bastion lane: the relay speaks SSH on both sides and records
 *     ssh -J relay TARGET   end-to-end lane: the relay carries ciphertext between both
 *
 * Own thread with its own loop; what needs the store runs on libuv's workers. Any thread may call. */
#ifndef TOWLINE_SERVER_SSH_FRONT_H
#define TOWLINE_SERVER_SSH_FRONT_H

#include <stdint.h>
#include <towline/crypto.h>
#include <towline/err.h>

struct tl_desk;
struct tl_office;
struct tl_ssh_front;

/* 0 stands for the value beside it. */
struct tl_door_limits {
	unsigned connections;	      /* in all, 4096 */
	unsigned waiting;	      /* of them without login, 256 */
	unsigned waiting_per_network; /* 32 */
	int64_t grace_ms;	      /* to log in, 30,000 */
};

struct tl_ssh_front_config {
	const char *listen;	       /* "ADDRESS:PORT", "[v6]:PORT"; port 0 takes a free one */
	int listen_fd;		       /* a listening socket handed over, or -1 */
	const struct tl_key *host_key; /* borrowed; NULL: read from host_key_file */
	const char *host_key_file;
	struct tl_door_limits limits;
	const struct tl_office *office; /* NULL: the desk's (ssh/office.h); tests bring their own */
};

TL_MUST_CHECK int tl_ssh_front_start(struct tl_desk *desk, const struct tl_ssh_front_config *config,
				     struct tl_ssh_front **ret_front, struct tl_err *err);
unsigned tl_ssh_front_port(const struct tl_ssh_front *front);
/* Stops accepting, tells every session, waits up to drain_ms for them to end, frees. NULL is fine. */
void tl_ssh_front_stop(struct tl_ssh_front *front, int64_t drain_ms);

#endif
