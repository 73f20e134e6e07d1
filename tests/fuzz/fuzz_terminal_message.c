/* What a browser says to its terminal: whatever is taken has a size that a terminal may have, and a TERM without
 * surprises. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <towline/str.h>

#include "ssh/terminal_message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tl_terminal_message message;
	struct tl_err err = TL_ERR_INIT;

	if (tl_terminal_message_parse((const char *)data, size, &message, &err) != 0)
		return 0;
	if (message.verb == TL_TERMINAL_PING)
		return 0;
	if (message.columns < 1 || message.columns > TL_TERMINAL_SIZE_MAX || message.rows < 1 ||
	    message.rows > TL_TERMINAL_SIZE_MAX || message.output < -1 ||
	    !tl_str_is_name(message.term, TL_TERMINAL_TERM_MAX))
		abort();
	return 0;
}
