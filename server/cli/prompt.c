#include "cli/prompt.h"

#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

int tl_prompt_secret(const char *prompt, struct tl_buf *out, struct tl_err *err)
{
	struct termios before, quiet;
	bool is_terminal = tcgetattr(STDIN_FILENO, &before) == 0;
	char byte;

	if (is_terminal) {
		fputs(prompt, stderr);
		quiet = before;
		quiet.c_lflag &= ~(tcflag_t)ECHO;
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
	}
	while (read(STDIN_FILENO, &byte, 1) == 1 && byte != '\n')
		tl_buf_putc(out, byte);
	if (is_terminal) {
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
		fputc('\n', stderr);
	}
	if (out->len == 0 || tl_buf_check(out) || strpbrk(tl_buf_str(out), " \t\r"))
		return tl_err_set(err, TL_EUSAGE, "no %.*s on standard input",
				  (int)strcspn(prompt, ":"), prompt);
	return 0;
}
