/* What a browser says to its terminal beside the bytes of the keyboard: one JSON object a text message. */
#ifndef TOWLINE_SERVER_SSH_TERMINAL_MESSAGE_H
#define TOWLINE_SERVER_SSH_TERMINAL_MESSAGE_H

#include <stddef.h>
#include <stdint.h>
#include <towline/attr.h>
#include <towline/err.h>

#define TL_TERMINAL_SIZE_MAX 4096 /* columns, rows */
#define TL_TERMINAL_TERM_MAX 63	  /* bytes of TERM */

enum tl_terminal_verb { TL_TERMINAL_ATTACH, TL_TERMINAL_RESIZE, TL_TERMINAL_PING };

struct tl_terminal_message {
	enum tl_terminal_verb verb;
	unsigned columns, rows; /* not of a ping */
	char term[TL_TERMINAL_TERM_MAX + 1];
	int64_t output; /* of attach: the position it has everything before; -1: not said */
};

/* TL_EINVAL with a sentence. */
TL_MUST_CHECK int tl_terminal_message_parse(const char *text, size_t len,
					    struct tl_terminal_message *ret_message,
					    struct tl_err *err);

#endif
