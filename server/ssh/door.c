/* Who may stand at the front door without having logged in: few in all and few of one network, so that a
 * flood costs little, and the one that waited longest makes room, so that it shuts nobody out. Who has
 * logged in is counted nowhere here, nor hurt by what others of the same address do. */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <towline/log.h>
#include <towline/sshkey.h>

#include "ssh/algorithms.h"
#include "ssh/front_private.h"

#define UNDISTURBED_MS 2000 /* nobody makes room sooner: long enough for a key exchange and a key */
#define TOLD_EVERY_MS 1000  /* refusals are logged together */

/* An IPv6 network is its /64: one machine has all addresses of it. */
void tl_door_network(const char *address, char network[static TL_ADDRESS_TEXT])
{
	struct in6_addr v6;

	if (inet_pton(AF_INET6, address, &v6) != 1) {
		snprintf(network, TL_ADDRESS_TEXT, "%s", address);
		return;
	}
	memset(v6.s6_addr + 8, 0, 8);
	inet_ntop(AF_INET6, &v6, network, TL_ADDRESS_TEXT);
}

static bool is_waiting(const struct tl_guest *guest)
{
	return !guest->logged_in && !guest->closing;
}

/* Whoever has proven a key is not sent away for one who has proven nothing. */
static bool may_go(const struct tl_guest *guest, int64_t now_ms)
{
	return is_waiting(guest) && !tl_ssh_server_is_known(guest->server) &&
	       now_ms - guest->since_ms >= UNDISTURBED_MS;
}

/* How many wait: of `network`, or of all where it is NULL. *ret_oldest: who may make room, or NULL. */
static unsigned count_waiting(const struct tl_ssh_front *front, const char *network,
			      struct tl_guest **ret_oldest)
{
	int64_t now_ms = (int64_t)uv_now(&front->loop);
	struct tl_guest *oldest = NULL;
	unsigned count = 0;

	for (struct tl_guest *guest = front->guests; guest; guest = guest->next) {
		if (!is_waiting(guest) || (network && strcmp(guest->network, network) != 0))
			continue;
		count++;
		if (may_go(guest, now_ms) && (!oldest || guest->since_ms < oldest->since_ms))
			oldest = guest;
	}
	*ret_oldest = oldest;
	return count;
}

/* When all places are taken, the network that takes most of them makes room. */
static struct tl_guest *find_crowd(const struct tl_ssh_front *front)
{
	struct tl_guest *oldest, *best = NULL;
	unsigned most = 0;

	for (const struct tl_guest *guest = front->guests; guest; guest = guest->next) {
		unsigned count;

		if (!may_go(guest, (int64_t)uv_now(&front->loop)) ||
		    (best && strcmp(best->network, guest->network) == 0))
			continue;
		count = count_waiting(front, guest->network, &oldest);
		if (count > most) {
			most = count;
			best = oldest;
		}
	}
	return best;
}

static bool make_room(struct tl_guest *guest)
{
	if (!guest)
		return false;
	guest->closing = true;
	tl_ssh_server_close(guest->server, "somebody else came while nobody logged in here");
	return true;
}

static bool admit(struct tl_ssh_front *front, const char *network, char reason[static TL_DOOR_TEXT])
{
	const struct tl_door_limits *limits = &front->limits;
	unsigned wait_s = tl_throttle_wait_s(front->failures, network);
	unsigned places = wait_s ? TL_DOOR_FAILING : limits->waiting_per_network;
	struct tl_guest *oldest;

	if (front->guest_count >= limits->connections) {
		snprintf(reason, TL_DOOR_TEXT, "the relay has all the SSH connections it may have");
		return false;
	}
	if (count_waiting(front, network, &oldest) >= places && !make_room(oldest)) {
		snprintf(reason, TL_DOOR_TEXT,
			 wait_s ? "too many connections from your network without login: wait %u s"
				: "too many connections from your network wait for a login",
			 wait_s);
		return false;
	}
	if (count_waiting(front, NULL, &oldest) >= limits->waiting &&
	    !make_room(find_crowd(front))) {
		snprintf(reason, TL_DOOR_TEXT, "too many connections wait for a login: try again");
		return false;
	}
	return true;
}

/* A flood must not fill the log. */
static void note_refusal(struct tl_ssh_front *front, const char *address, const char *reason)
{
	int64_t now_ms = (int64_t)uv_now(&front->loop);

	front->refusals++;
	if (front->refusals > 1 && now_ms - front->refusals_told_ms < TOLD_EVERY_MS)
		return;
	tl_log_warning("SSH connection refused", TL_S("address", address), TL_S("reason", reason),
		       TL_I("refused", front->refusals));
	front->refusals = 0;
	front->refusals_told_ms = now_ms;
}

/* At once, as far as the socket takes it: nobody waits for one who is not let in. */
static void turn_away(int fd, const char *reason)
{
	tl_auto(tl_buf) struct tl_buf out = TL_BUF_INIT(TL_GOODBYE_MAX);
	char heard[1024];

	/* What it said already would make the kernel reset the connection, and lose the answer. */
	(void)recv(fd, heard, sizeof(heard), MSG_DONTWAIT);
	if (tl_front_goodbye(reason, &out) == 0)
		(void)send(fd, out.data, out.len, MSG_NOSIGNAL | MSG_DONTWAIT);
	(void)shutdown(fd, SHUT_WR);
}

bool tl_door_admit(struct tl_ssh_front *front, int fd, const char *address)
{
	char network[TL_ADDRESS_TEXT], reason[TL_DOOR_TEXT];

	uv_update_time(&front->loop);
	tl_door_network(address, network);
	if (admit(front, network, reason))
		return true;
	note_refusal(front, address, reason);
	turn_away(fd, reason);
	return false;
}

/* ---- telling why not --------------------------------------------------------------------------- */

int tl_front_goodbye(const char *sentence, struct tl_buf *out)
{
	tl_auto(tl_buf) struct tl_buf payload = TL_BUF_INIT(TL_GOODBYE_MAX / 2);
	size_t padding;

	tl_buf_putc(&payload, 1);     /* SSH_MSG_DISCONNECT */
	tl_ssh_put_u32(&payload, 11); /* SSH_DISCONNECT_BY_APPLICATION */
	tl_ssh_put_text(&payload, sentence);
	tl_ssh_put_text(&payload, "");
	padding = 8 - (payload.len + 5) % 8;
	padding += padding < 4 ? 8 : 0;
	tl_buf_puts(out, "SSH-2.0-" TL_SSH_VERSION "\r\n");
	tl_ssh_put_u32(out, (uint32_t)(payload.len + padding + 1));
	tl_buf_putc(out, (char)padding);
	tl_buf_append(out, payload.data, payload.len);
	for (size_t i = 0; i < padding; i++)
		tl_buf_putc(out, 0);
	return tl_buf_check(&payload) ? TL_ETOOBIG : tl_buf_check(out);
}
