#include "match/compile.h"

#include <errno.h>
#include <fcntl.h>
#include <hs/hs.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <towline/fs.h>

#define COMPILE_SECONDS 60

struct outcome {
	int code;
	char text[TL_ERR_TEXT_MAX];
};

/* What is given to Vectorscan. */
struct set {
	char **expressions;
	unsigned *flags, *ids;
	size_t count;
};

static void set_clear(struct set *set)
{
	for (size_t i = 0; set->expressions && i < set->count; i++)
		free(set->expressions[i]);
	free(set->expressions);
	free(set->flags);
	free(set->ids);
}
TL_DEFINE_AUTO(set, set_clear);

static unsigned hs_flags(unsigned flags)
{
	static const struct {
		unsigned ours, theirs;
	} table[] = {
		{TL_MATCH_CASELESS, HS_FLAG_CASELESS},	 {TL_MATCH_MULTILINE, HS_FLAG_MULTILINE},
		{TL_MATCH_DOTALL, HS_FLAG_DOTALL},	 {TL_MATCH_ONCE, HS_FLAG_SINGLEMATCH},
		{TL_MATCH_PREFILTER, HS_FLAG_PREFILTER},
	};
	unsigned result = 0;

	for (size_t i = 0; i < TL_ARRAY_LEN(table); i++)
		if (flags & table[i].ours)
			result |= table[i].theirs;
	return result;
}

static char *copy_expression(const char *text, unsigned flags)
{
	size_t len = strlen(text);
	char *copy, *at;

	if (!(flags & TL_MATCH_LITERAL))
		return strdup(text);
	copy = at = calloc(len + 1, 4); /* each byte is written as \xHH */
	for (size_t i = 0; copy && i < len; i++)
		at += sprintf(at, "\\x%02x", (unsigned char)text[i]);
	return copy;
}

static int set_init(struct set *set, const struct tl_match_pattern *patterns, size_t count)
{
	set->expressions = calloc(count, sizeof *set->expressions);
	set->flags = calloc(count, sizeof *set->flags);
	set->ids = calloc(count, sizeof *set->ids);
	set->count = count;
	if (!set->expressions || !set->flags || !set->ids)
		return TL_ENOMEM;
	for (size_t i = 0; i < count; i++) {
		set->flags[i] = hs_flags(patterns[i].flags);
		set->ids[i] = patterns[i].id;
		set->expressions[i] = copy_expression(patterns[i].expression, patterns[i].flags);
		if (!set->expressions[i])
			return TL_ENOMEM;
	}
	return 0;
}

/* The expression that was refused gives way to its other one, once. */
static bool replace(struct set *set, const struct tl_match_pattern *patterns, int which)
{
	const char *instead = which >= 0 ? patterns[which].instead : NULL;
	char *copy;

	if (!instead || strcmp(set->expressions[which], instead) == 0)
		return false;
	copy = strdup(instead);
	if (!copy)
		return false;
	free(set->expressions[which]);
	set->expressions[which] = copy;
	return true;
}

static int refuse(struct set *set, const hs_compile_error_t *why, struct tl_err *err)
{
	if (why->expression < 0)
		return tl_err_set(err, TL_EINTERNAL, "expressions cannot be compiled: %s",
				  why->message);
	return tl_err_set(err, TL_EINVAL, "expression %u cannot be compiled: %s",
			  set->ids[why->expression], why->message);
}

static int compile(const struct tl_match_pattern *patterns, size_t count, char **ret_bytes,
		   size_t *ret_len, struct tl_err *err)
{
	tl_auto(set) struct set set = {.count = 0};
	hs_database_t *database = NULL;
	hs_compile_error_t *why = NULL;
	int r = set_init(&set, patterns, count);

	if (r < 0)
		return tl_err_set(err, r, "out of memory for expressions");
	for (;;) {
		bool again;

		if (hs_compile_multi((const char *const *)set.expressions, set.flags, set.ids,
				     (unsigned)count, HS_MODE_BLOCK, NULL, &database,
				     &why) == HS_SUCCESS)
			break;
		again = replace(&set, patterns, why->expression);
		r = again ? 0 : refuse(&set, why, err);
		hs_free_compile_error(why);
		if (!again)
			return r;
	}
	r = hs_serialize_database(database, ret_bytes, ret_len) == HS_SUCCESS ? 0 : TL_ENOMEM;
	hs_free_database(database);
	return r < 0 ? tl_err_set(err, r, "out of memory for expressions") : 0;
}

/* The child. Everything it takes is given back with it. */
_Noreturn static void compile_and_tell(const struct tl_match_pattern *patterns, size_t count,
				       int fd)
{
	struct outcome outcome = {.code = 0};
	struct tl_err err = TL_ERR_INIT;
	sigset_t none;
	char *bytes = NULL;
	size_t len = 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGXCPU, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	/* Of the processor's time: a busy machine is no reason to do without. */
	setrlimit(RLIMIT_CPU, &(struct rlimit){COMPILE_SECONDS, COMPILE_SECONDS});
	outcome.code = compile(patterns, count, &bytes, &len, &err);
	snprintf(outcome.text, sizeof outcome.text, "%s", err.text);
	if (tl_fs_write_all(fd, &outcome, sizeof outcome, NULL) < 0 ||
	    (outcome.code == 0 && tl_fs_write_all(fd, bytes, len, NULL) < 0))
		_exit(1);
	_exit(0);
}

static int read_all(int fd, struct tl_buf *out, struct tl_err *err)
{
	for (;;) {
		char *room = tl_buf_reserve(out, 65536);
		ssize_t len = room ? read(fd, room, 65536) : -1;

		if (!room)
			return tl_err_set(err, TL_ETOOBIG, "compiled expressions are too large");
		if (len < 0 && errno != EINTR)
			return tl_err_sys(err, TL_EIO, errno, "cannot read compiled expressions");
		if (len == 0)
			return 0;
		if (len > 0)
			tl_buf_commit(out, (size_t)len);
	}
}

static int judge(pid_t child, struct tl_buf *answer, struct tl_err *err)
{
	struct outcome outcome;
	int status;

	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return tl_err_sys(err, TL_EINTERNAL, errno,
					  "the compiler of expressions is lost");
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0 || answer->len < sizeof outcome)
		return tl_err_set(err, TL_EINTERNAL, "the compiler of expressions %s",
				  WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM
					  ? "took too long"
					  : "ended before it was done");
	memcpy(&outcome, answer->data, sizeof outcome);
	tl_buf_consume(answer, sizeof outcome);
	return outcome.code ? tl_err_set(err, outcome.code, "%s", outcome.text) : 0;
}

int compile_patterns(const struct tl_match_pattern *patterns, size_t count, struct tl_buf *out,
		     struct tl_err *err)
{
	int ends[2], r, judged;
	pid_t child;

	if (pipe2(ends, O_CLOEXEC) != 0)
		return tl_err_sys(err, TL_EIO, errno, "cannot start the compiler of expressions");
	child = fork();
	if (child == 0)
		compile_and_tell(patterns, count, ends[1]);
	close(ends[1]);
	if (child < 0) {
		close(ends[0]);
		return tl_err_sys(err, TL_EIO, errno, "cannot start the compiler of expressions");
	}
	r = read_all(ends[0], out, err);
	close(ends[0]); /* a child that still writes ends by it */
	judged = judge(child, out, r < 0 ? NULL : err);
	return r < 0 ? r : judged;
}
