/* A terminal in a browser: terminal.c (the session behind it, from beginning to end) and terminal_view.c
 * (whoever looks at it). Loop thread only. */
#ifndef TOWLINE_SERVER_SSH_TERMINAL_PRIVATE_H
#define TOWLINE_SERVER_SSH_TERMINAL_PRIVATE_H

#include "http/http.h"
#include "ssh/front_private.h"
#include "ssh/scrollback.h"
#include "ssh/terminal_message.h"

#define TL_TERMINAL_AWAY_MS 60000		    /* how long it waits for its browser */
#define TL_TERMINAL_LAST_MS 10000		    /* how long an ended one may take to say so */
#define TL_TERMINAL_LEAVE_MS 500		    /* and when the relay stops */
#define TL_TERMINAL_UNSENT_MAX ((size_t)64 * 1024)  /* output that the browser has not taken */
#define TL_TERMINAL_WORDS_MAX ((size_t)32 * 1024)   /* control messages for it */
#define TL_TERMINAL_WORDS_ENOUGH ((size_t)8 * 1024) /* then nothing more is read */

/* WebSocket close codes of our own (RFC 6455 §7.4.2). */
#define TL_TERMINAL_NORMAL 1000
#define TL_TERMINAL_LEAVING 1001
#define TL_TERMINAL_MISUNDERSTOOD 4400
#define TL_TERMINAL_UNKNOWN 4404
#define TL_TERMINAL_AWAY 4408
#define TL_TERMINAL_ELSEWHERE 4409

struct tl_view {
	uv_poll_t *poll;
	int fd; /* a WebSocket's local side; -1: nobody looks */
	int polled;
	bool attached;	     /* it has said its size */
	uint64_t position;   /* of the output: what comes before it was sent */
	struct tl_buf words; /* entries: a NUL-terminated text each */
	char address[64];
};

struct tl_terminal {
	struct tl_guest guest;
	struct tl_terminal_ask asked;
	struct tl_ssh_server_channel channel;
	struct tl_terminal *next;
	uv_timer_t turn, limit;
	unsigned handles;
	struct tl_view view;
	struct tl_scrollback output;
	uint64_t input; /* bytes taken from browsers */
	bool started, told_open, over, told_over;
	unsigned close_code; /* of an ended one, */
	char why[256];	     /* and its reason */
};

/* ---- terminal.c ---- */
/* A turn will run soon. */
void tl_terminal_kick(struct tl_terminal *terminal);
/* The browser has said its size: begins, or changes it. */
void tl_terminal_size(struct tl_terminal *terminal, const struct tl_terminal_message *message);

/* ---- terminal_view.c ---- */
void tl_view_init(struct tl_view *view);
/* Whoever looked before is told that it goes on elsewhere. */
void tl_view_open(struct tl_terminal *terminal, const char *address, int fd);
/* Says the reason and lets go. Nothing when nobody looks. */
void tl_view_close(struct tl_terminal *terminal, unsigned code, const char *reason);
/* `json` is taken. */
void tl_view_say(struct tl_terminal *terminal, json_t *json);
/* browser → terminal and terminal → browser; true when something moved. */
bool tl_view_read(struct tl_terminal *terminal);
bool tl_view_write(struct tl_terminal *terminal);
/* True when nothing is left to be said to the one who looks. */
bool tl_view_is_done(const struct tl_terminal *terminal);
/* Arms what the next turn waits for. */
void tl_view_wait(struct tl_terminal *terminal);
/* To a WebSocket that finds no terminal. Takes `fd`. */
void tl_view_turn_away(int fd, unsigned code, const char *reason);

#endif
