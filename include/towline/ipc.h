/* Framed messages between processes of one host: a Unix SOCK_SEQPACKET socket, one JSON object a
 * packet, descriptors beside it (SCM_RIGHTS), the peer known by SO_PEERCRED.
 *
 * A request is {"id":N,"verb":"…","args":{…}}; its reply {"id":N,"result":{…}} or
 * {"id":N,"error":{"code":"EDENIED","text":"…"}}; an unasked event {"event":"…","args":{…}}.
 * What a verb takes and who may call it is in the server's table; this header only moves packets. */
#ifndef TOWLINE_IPC_H
#define TOWLINE_IPC_H

#include <sys/types.h>
#include <towline/attr.h>
#include <towline/err.h>
#include <towline/json.h>

#define TL_IPC_PACKET_MAX (64 * 1024)
#define TL_IPC_FDS_MAX 4

struct tl_ipc_peer {
	pid_t pid;
	uid_t uid;
	gid_t gid;
};

struct tl_ipc_message {
	json_t *json; /* owned */
	int fds[TL_IPC_FDS_MAX];
	size_t fd_count; /* owned: closed by clear unless taken (set to -1) */
};
#define TL_IPC_MESSAGE_INIT \
	{ \
		.json = NULL \
	}
void tl_ipc_message_clear(struct tl_ipc_message *message);
TL_DEFINE_AUTO(tl_ipc_message, tl_ipc_message_clear);

/* Binds and listens (non-blocking, close-on-exec); a stale socket file is replaced, a live one is
 * TL_EBUSY. `mode` is the file's mode. */
TL_MUST_CHECK int tl_ipc_listen(const char *path, mode_t mode, int *ret_fd, struct tl_err *err);
/* The connection is non-blocking and close-on-exec. TL_EBUSY when none waits. */
TL_MUST_CHECK int tl_ipc_accept(int listen_fd, int *ret_fd, struct tl_ipc_peer *ret_peer,
				struct tl_err *err);
/* Who made the other end of a connected socket, by the kernel's word. */
TL_MUST_CHECK int tl_ipc_peer_of(int fd, struct tl_ipc_peer *ret_peer, struct tl_err *err);
/* Blocking socket; TL_EUNREACH names the program to start when nobody listens. */
TL_MUST_CHECK int tl_ipc_connect(const char *path, int *ret_fd, struct tl_err *err);

/* One packet. TL_ETOOBIG, TL_EIO; TL_EBUSY when a non-blocking peer does not take it. */
TL_MUST_CHECK int tl_ipc_send(int fd, const json_t *json, const int *fds, size_t fd_count,
			      struct tl_err *err);
/* One packet, strict JSON. TL_EPROTO for a malformed or cut one; TL_EUNREACH at end of stream;
 * TL_EBUSY when a non-blocking socket has none. */
TL_MUST_CHECK int tl_ipc_receive(int fd, struct tl_ipc_message *ret_message, struct tl_err *err);

/* Blocking convenience for clients: sends {"id":1,"verb":verb,"args":args} (args is borrowed, may be
 * NULL), waits up to timeout_ms (-1: for ever) for the reply and returns its result object with its
 * descriptors; an error reply becomes its code and text. Events that come meanwhile are dropped. */
TL_MUST_CHECK int tl_ipc_call(int fd, const char *verb, const json_t *args, const int *fds,
			      size_t fd_count, int timeout_ms, struct tl_ipc_message *ret_result,
			      struct tl_err *err);

#endif
