#include "collect/engine.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <towline/bundle.h>
#include <towline/clock.h>
#include <towline/str.h>

#include "collect/interrupt.h"
#include "collect/rights.h"
#include "collect/row.h"

#define TICK_MS 250 /* between looks at signals and deadlines */
#define CANARY_MAX (64 * 1024)
#define RESERVE (1024 * 1024) /* of the bundle's limit, for what is written at its end */
#define IDLE SIZE_MAX
#define STARTS_MORE 64 /* processes, beyond one for each row */

struct place {
	size_t row; /* IDLE: none */
	int64_t started_ms;
};

enum row_state { ROW_WAITS, ROW_RUNS, ROW_DONE, ROW_APPENDED };

struct engine {
	const struct engine_options *options;
	const struct tl_clock *clock;
	struct row *rows;
	enum row_state *states;
	size_t appended;
	size_t started; /* processes, in all */
	struct worker workers[ENGINE_WORKERS_MAX];
	struct place places[ENGINE_WORKERS_MAX];
	size_t worker_count;
	bool split; /* rows that need more rights get processes of their own */
	struct tl_buf canary;
	json_t *index, *facts, *findings, *problems;
};

static void engine_clear(struct engine *engine)
{
	for (size_t i = 0; i < engine->worker_count; i++)
		worker_end(&engine->workers[i]);
	worker_sweep(NULL, 0);
	for (size_t i = 0; engine->rows && i < engine->options->row_count; i++)
		row_clear(&engine->rows[i]);
	free(engine->rows);
	free(engine->states);
	tl_buf_clear(&engine->canary);
	json_decref(engine->index);
	json_decref(engine->facts);
	json_decref(engine->findings);
	json_decref(engine->problems);
}
TL_DEFINE_AUTO(engine, engine_clear);

void engine_facts_clear(struct engine_facts *facts)
{
	json_decref(facts->index);
	json_decref(facts->rows);
	json_decref(facts->findings);
	json_decref(facts->problems);
	free(facts->canary);
	*facts = (struct engine_facts){.index = NULL};
}

/* Commands mostly wait: two processes help even on one processor. */
static size_t count_workers(size_t rows)
{
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	size_t count = processors < 2 ? 2 : (size_t)processors;

	if (count > ENGINE_WORKERS_MAX)
		count = ENGINE_WORKERS_MAX;
	return count < rows ? count : rows;
}

static int set_up(struct engine *engine, struct tl_err *err)
{
	const struct worker_setup *setup = engine->options->setup;
	size_t count = engine->options->row_count;

	engine->clock = setup->clock;
	engine->rows = calloc(count + 1, sizeof *engine->rows);
	engine->states = calloc(count + 1, sizeof *engine->states);
	engine->index = json_array();
	engine->facts = json_array();
	engine->findings = json_array();
	engine->problems = json_array();
	if (!engine->rows || !engine->states)
		return tl_err_set(err, TL_ENOMEM, "out of memory for the bundle");
	for (size_t i = 0; i < count; i++)
		row_init(&engine->rows[i], &setup->rows[i], engine->options->sealed);
	for (size_t i = 0; i < ENGINE_WORKERS_MAX; i++)
		engine->places[i].row = IDLE;
	engine->worker_count = count_workers(count);
	engine->split = rights_have_more();
	/* What a killed process leaves behind comes to us. */
	if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
		return tl_err_sys(err, TL_EIO, errno, "orphans cannot be adopted");
	return 0;
}

static bool needs_more(const struct engine *engine, size_t row)
{
	return engine->split && (engine->rows[row].collector->flags & COLLECT_PRIVILEGED);
}

/* The first waiting row for a process of this kind; IDLE when there is none. */
static size_t next_row(const struct engine *engine, bool privileged)
{
	for (size_t i = engine->appended; i < engine->options->row_count; i++)
		if (engine->states[i] == ROW_WAITS && needs_more(engine, i) == privileged)
			return i;
	return IDLE;
}

/* ---- processes -------------------------------------------------------------------------------- */

/* Of which kind the next process is to be: at most one has more rights. 0, or -1 when none is needed. */
static int choose_kind(const struct engine *engine, bool *ret_privileged)
{
	for (size_t i = 0; i < engine->worker_count; i++)
		if (engine->workers[i].pid > 0 && engine->workers[i].privileged) {
			*ret_privileged = false;
			return next_row(engine, false) == IDLE ? -1 : 0;
		}
	*ret_privileged = next_row(engine, true) != IDLE;
	return *ret_privileged || next_row(engine, false) != IDLE ? 0 : -1;
}

static int start_missing(struct engine *engine, struct tl_err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < engine->worker_count; i++) {
		bool privileged;

		if (engine->workers[i].pid > 0 || choose_kind(engine, &privileged) < 0)
			continue;
		if (++engine->started > engine->options->row_count + STARTS_MORE)
			return tl_err_set(err, TL_EIO, "collecting processes end again and again");
		r = worker_start(engine->options->setup, privileged, &engine->workers[i], err);
	}
	return r;
}

static void stop_worker(struct engine *engine, size_t place)
{
	worker_end(&engine->workers[place]);
	engine->places[place].row = IDLE;
}

/* A process that has no row gets the next one; where none is left for it, it makes room. */
static void give_rows(struct engine *engine)
{
	for (size_t i = 0; i < engine->worker_count; i++) {
		struct worker *worker = &engine->workers[i];
		size_t row = next_row(engine, worker->privileged);

		if (worker->pid <= 0 || !worker->ready || engine->places[i].row != IDLE)
			continue;
		if (row == IDLE) {
			stop_worker(engine, i);
			continue;
		}
		if (worker_give(worker, (uint32_t)row) < 0) {
			stop_worker(engine, i); /* another one takes the row */
			continue;
		}
		engine->states[row] = ROW_RUNS;
		engine->places[i] = (struct place){
			.row = row,
			.started_ms = tl_clock_mono_ms(engine->clock),
		};
		progress_begin(engine->options->progress, engine->rows[row].collector);
	}
}

/* ---- what they say ---------------------------------------------------------------------------- */

static void row_is_over(struct engine *engine, size_t place)
{
	size_t row = engine->places[place].row;

	engine->states[row] = ROW_DONE;
	engine->places[place].row = IDLE;
	progress_end(engine->options->progress, engine->rows[row].collector,
		     engine->rows[row].outcome, engine->rows[row].bytes);
}

/* Ends the process, and its row with what it has. */
static void break_row(struct engine *engine, size_t place, const char *kind, const char *text)
{
	struct row *row = &engine->rows[engine->places[place].row];

	row_break(row, kind, text,
		  tl_clock_mono_ms(engine->clock) - engine->places[place].started_ms);
	row_is_over(engine, place);
	stop_worker(engine, place);
}

static int take_canary(struct engine *engine, const struct worker *worker,
		       const struct frame *frame, struct tl_err *err)
{
	/* each process shows that its redactor works; one text is kept, as all are the same */
	if (worker->ready || frame->len > CANARY_MAX)
		return tl_err_set(err, TL_EPROTO, "a collecting process spoke out of turn");
	if (engine->canary.len == 0)
		tl_buf_append(&engine->canary, frame->payload, frame->len);
	else if (engine->canary.len != frame->len ||
		 memcmp(engine->canary.data, frame->payload, frame->len) != 0)
		return tl_err_set(err, TL_EINTERNAL,
				  "two redactors disagree: nothing is given away");
	return 0;
}

/* 1: the row is over. */
static int take_frame(struct engine *engine, size_t place, const struct frame *frame,
		      struct tl_err *err)
{
	struct worker *worker = &engine->workers[place];
	struct row *row;
	int r;

	if (frame->kind == FRAME_CANARY)
		return take_canary(engine, worker, frame, err);
	if (frame->kind == FRAME_READY) {
		worker->ready = true;
		return 0;
	}
	if (engine->places[place].row == IDLE)
		return tl_err_set(err, TL_EPROTO, "a collecting process spoke out of turn");
	row = &engine->rows[engine->places[place].row];
	r = row_take(row, frame, err);
	if (r == 0)
		progress_bytes(engine->options->progress, row->bytes);
	return r;
}

/* True when its process is to be replaced. */
static bool end_row(struct engine *engine, size_t place)
{
	bool faulty = engine->rows[engine->places[place].row].faulty;

	row_is_over(engine, place);
	if (faulty)
		stop_worker(engine, place);
	return faulty;
}

static int take_frames(struct engine *engine, size_t place, struct tl_err *err)
{
	struct worker *worker = &engine->workers[place];
	struct frame frame;
	int r;

	while ((r = frame_next(&worker->in, &frame, err)) == 1) {
		int taken = take_frame(engine, place, &frame, err);

		if (taken < 0)
			return taken;
		frame_consume(&worker->in, &frame);
		if (taken == 1 && end_row(engine, place))
			return 0;
	}
	return r;
}

/* What is no fault of the bundle ends one row only. */
static int judge(struct engine *engine, size_t place, int code, struct tl_err *fault,
		 struct tl_err *err)
{
	bool of_row = code == TL_EPROTO || code == TL_ETOOBIG;

	if (!of_row || engine->places[place].row == IDLE) {
		*err = *fault;
		return code;
	}
	break_row(engine, place, code == TL_ETOOBIG ? "truncated" : "failed", tl_err_text(fault));
	return 0;
}

static int hear(struct engine *engine, size_t place, struct tl_err *err)
{
	struct tl_err fault = TL_ERR_INIT;
	int r = worker_read(&engine->workers[place], &fault);
	int taken = r < 0 ? r : take_frames(engine, place, &fault);

	if (taken < 0)
		return judge(engine, place, taken, &fault, err);
	if (r == 1 || engine->workers[place].pid <= 0)
		return 0;
	if (engine->places[place].row != IDLE) {
		break_row(engine, place, "failed", "the process that collected it crashed");
		return 0;
	}
	if (!engine->workers[place].ready)
		return tl_err_set(err, TL_EIO, "a collecting process ended before it began");
	stop_worker(engine, place);
	return 0;
}

/* ---- time ------------------------------------------------------------------------------------- */

static int64_t deadline_of(const struct engine *engine, size_t place)
{
	const struct place *at = &engine->places[place];

	return at->started_ms + engine->rows[at->row].collector->timeout_ms + ENGINE_GRACE_MS;
}

static int wait_ms(const struct engine *engine)
{
	int64_t now = tl_clock_mono_ms(engine->clock), wait = TICK_MS;

	for (size_t i = 0; i < engine->worker_count; i++) {
		int64_t left;

		if (engine->workers[i].pid <= 0 || engine->places[i].row == IDLE)
			continue;
		left = deadline_of(engine, i) - now;
		if (left < wait)
			wait = left < 0 ? 0 : left;
	}
	return (int)wait;
}

static void end_late(struct engine *engine)
{
	int64_t now = tl_clock_mono_ms(engine->clock);

	for (size_t i = 0; i < engine->worker_count; i++) {
		char text[96];

		if (engine->workers[i].pid <= 0 || engine->places[i].row == IDLE ||
		    now < deadline_of(engine, i))
			continue;
		snprintf(text, sizeof text, "did not end within its %d ms, and was ended",
			 engine->rows[engine->places[i].row].collector->timeout_ms);
		break_row(engine, i, "timeout", text);
	}
}

static int wait_for_facts(struct engine *engine, struct tl_err *err)
{
	struct pollfd polled[ENGINE_WORKERS_MAX];
	int r = 0;

	for (size_t i = 0; i < engine->worker_count; i++)
		polled[i] = (struct pollfd){
			.fd = engine->workers[i].pid > 0 ? engine->workers[i].fd : -1,
			.events = POLLIN,
		};
	if (poll(polled, (nfds_t)engine->worker_count, wait_ms(engine)) <= 0)
		return 0;
	for (size_t i = 0; r == 0 && i < engine->worker_count; i++)
		if (polled[i].revents)
			r = hear(engine, i, err);
	return r;
}

/* ---- the bundle ------------------------------------------------------------------------------- */

static uint64_t room_left(const struct engine *engine)
{
	uint64_t max = engine->options->max_bytes;
	uint64_t used = bundle_writer_packed(engine->options->writer) + RESERVE;

	if (max == 0 || max > tl_bundle_limits_default.max_packed_bytes)
		max = tl_bundle_limits_default.max_packed_bytes;
	return used < max ? max - used : 0;
}

static void add_findings(struct engine *engine, const struct row *row)
{
	for (size_t i = 0; i < json_array_size(row->findings); i++)
		json_array_append(engine->findings, json_array_get(row->findings, i));
}

/* For whoever reads a summary: of troubles of one kind with one collector the first. */
static void add_problems(struct engine *engine, const struct row *row)
{
	const char *last_kind = NULL;

	for (size_t i = 0; i < json_array_size(row->notes); i++) {
		json_t *note = json_array_get(row->notes, i);
		const char *kind = json_string_value(json_object_get(note, "kind"));

		if (!tl_streq(kind, last_kind) &&
		    json_array_size(engine->problems) < ENGINE_PROBLEMS_MAX)
			json_array_append(engine->problems, note);
		last_kind = kind;
	}
}

/* Appends what is next in the table's order. Rows that run meanwhile lose none of their time. */
static int append_done(struct engine *engine, struct tl_err *err)
{
	int64_t before = tl_clock_mono_ms(engine->clock), took;
	int r = 0;

	while (r == 0 && engine->appended < engine->options->row_count &&
	       engine->states[engine->appended] == ROW_DONE) {
		struct row *row = &engine->rows[engine->appended];

		r = row_append(row, engine->options->writer, room_left(engine), err);
		json_array_append_new(engine->index, row_index(row));
		json_array_append_new(engine->facts, row_facts(row));
		add_findings(engine, row);
		add_problems(engine, row);
		row_clear(row);
		engine->states[engine->appended++] = ROW_APPENDED;
		if (r == 0)
			r = interrupt_check(err);
	}
	took = tl_clock_mono_ms(engine->clock) - before;
	for (size_t i = 0; i < engine->worker_count; i++)
		engine->places[i].started_ms += took;
	return r;
}

int engine_run(const struct engine_options *options, struct engine_facts *ret_facts,
	       struct tl_err *err)
{
	tl_auto(engine) struct engine engine = {
		.options = options,
		.canary = TL_BUF_INIT(CANARY_MAX),
	};
	int r = set_up(&engine, err);

	while (r == 0 && engine.appended < options->row_count) {
		r = interrupt_check(err);
		if (r == 0)
			r = start_missing(&engine, err);
		if (r == 0)
			give_rows(&engine);
		if (r == 0)
			r = wait_for_facts(&engine, err);
		if (r == 0)
			end_late(&engine);
		if (r == 0)
			r = append_done(&engine, err);
	}
	if (r < 0)
		return r;
	*ret_facts = (struct engine_facts){
		.index = tl_steal(&engine.index),
		.rows = tl_steal(&engine.facts),
		.findings = tl_steal(&engine.findings),
		.problems = tl_steal(&engine.problems),
		.canary = tl_buf_take(&engine.canary),
	};
	return 0;
}
