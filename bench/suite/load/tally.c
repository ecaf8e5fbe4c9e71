#include "load/tally.h"

#include "say.h"

#include <stdio.h>
#include <string.h>

enum { HEADER_LEN = 12 };

void tally_init(struct tally *t, const struct load_plan *p, struct load_result *r)
{
	memset(r, 0, sizeof(*r));
	*t = (struct tally){ .plan = p, .result = r };
	t->begin_ns = now_ns() + p->settle_ns;
	t->end_ns = t->begin_ns + p->time_ns;
	t->until_check = 1;
	t->chance = t->begin_ns;
}

static void mark(const struct tally *t, bool begins)
{
	if (t->plan->mark != NULL) {
		t->plan->mark(t->plan->context, begins);
	}
}

/* Between two looks at the clock nothing was sent or received: where the server sets
 * the pace this is how far the sender fell behind. */
static void note_gap(struct tally *t, uint64_t now)
{
	if (t->counting && t->plan->pace == PACE_CLOSED) {
		const uint64_t gap = now - t->ticked_ns;
		struct load_result *r = t->result;
		r->lag_max_ns = gap > r->lag_max_ns ? gap : r->lag_max_ns;
	}
	t->ticked_ns = now;
}

bool tally_tick(struct tally *t, uint64_t now)
{
	note_gap(t, now);
	if (!t->counting && t->result->elapsed_ns == 0 && now >= t->begin_ns) {
		mark(t, true);
		t->counting = true;
		t->begin_ns = now_ns(); /* reading /proc took its time */
		t->ticked_ns = t->begin_ns;
		t->end_ns = t->begin_ns + t->plan->time_ns;
	}
	if (t->counting && (now >= t->end_ns || *t->plan->stop != 0)) {
		tally_end(t, now);
	}
	return t->result->elapsed_ns == 0 && *t->plan->stop == 0;
}

void tally_end(struct tally *t, uint64_t now)
{
	if (!t->counting) {
		return;
	}
	t->counting = false;
	t->result->elapsed_ns = now > t->begin_ns ? now - t->begin_ns : 1;
	mark(t, false);
}

static unsigned second_of(struct tally *t, uint64_t now)
{
	uint64_t second = now > t->begin_ns ? (now - t->begin_ns) / 1000000000U : 0;
	if (second >= SECONDS_MAX) {
		second = SECONDS_MAX - 1;
	}
	if (second >= t->result->seconds) {
		t->result->seconds = (unsigned)second + 1;
	}
	return (unsigned)second;
}

static void keep_fault(struct tally *t, const struct flight *f, const char *why)
{
	struct load_result *r = t->result;
	char question[300];
	if (r->faults == FAULTS_KEPT) {
		return;
	}
	const struct catalogue *c = t->plan->mix->catalogue;
	catalogue_text(c, &c->entries[f->pick.entry], question, sizeof(question));
	snprintf(r->fault[r->faults++], sizeof(r->fault[0]), "%s%.280s%s: %.319s",
		 f->pick.unique != 0 ? "(a name made up beside) " : "", question,
		 f->pick.dnssec ? " with DO" : "", why);
}

/* What can be seen in the header: enough to send an answer to the full check. */
static bool looks_right(const struct flight *f, const uint8_t *m)
{
	const unsigned want = f->pick.unique != 0 ? 3 : 0; /* NXDOMAIN, NOERROR */
	const bool truncated = (m[2] & 0x02) != 0;
	const bool empty = (m[6] | m[7]) == 0;
	return (m[3] & 0x0f) == want && !truncated && empty == (want != 0);
}

static void judge(struct tally *t, const struct flight *f, const uint8_t *message, size_t len)
{
	struct load_result *r = t->result;
	const struct catalogue *c = t->plan->mix->catalogue;
	const struct asked asked = { .entry = &c->entries[f->pick.entry],
				     .made_up = f->pick.unique != 0,
				     .dnssec = f->pick.dnssec };
	char why[WHY_MAX];
	const enum judgement j = answer_judge(c, &asked, message, len, why);
	r->judged++;
	if (j == ANSWER_RIGHT) {
		if (t->plan->right != NULL) {
			t->plan->right[f->pick.entry] = 1;
		}
		return;
	}
	if (j == ANSWER_FAILED) {
		r->failed++;
		return;
	}
	r->wrong++;
	keep_fault(t, f, why);
}

/* Drawn, not counted: a server that is wrong at every n-th answer would else slip
 * between the samples for ever. On average one in check_every. */
static unsigned next_check(struct tally *t)
{
	t->chance = t->chance * 6364136223846793005U + 1442695040888963407U;
	return 1 + (unsigned)((t->chance >> 33) % (2U * t->plan->check_every - 1));
}

/* A lie is a lie at any time: what is judged counts outside the timed part too. */
static void check(struct tally *t, const struct flight *f, const uint8_t *message, size_t len)
{
	if (t->plan->padded) {
		return;
	}
	const struct catalogue *c = t->plan->mix->catalogue;
	const bool known = c->entries[f->pick.entry].origin != ORIGIN_NONE;
	if (--t->until_check != 0 && (!known || looks_right(f, message))) {
		return;
	}
	if (t->until_check == 0) {
		t->until_check = next_check(t);
	}
	judge(t, f, message, len);
}

void tally_answer(struct tally *t, const struct flight *f, const uint8_t *message, size_t len,
		  uint64_t now)
{
	struct load_result *r = t->result;
	if (t->counting) {
		const unsigned rcode = message[3] & 0x0f;
		r->answered++;
		r->octets += len;
		r->rcode[rcode]++;
		r->by_second[second_of(t, now)][rcode]++;
		histogram_add(&r->latency, now > f->due_ns ? now - f->due_ns : 0);
	}
	check(t, f, message, len);
}

void tally_lost(struct tally *t, const struct flight *f)
{
	/* one that was sent while it counted; its time may be over by now */
	if (f->due_ns >= t->begin_ns && (t->counting || t->result->elapsed_ns != 0)) {
		t->result->lost++;
		t->result->lost_by_second[second_of(t, f->due_ns)]++;
	}
}

void tally_sent(struct tally *t, uint64_t due_ns, uint64_t now)
{
	struct load_result *r = t->result;
	if (!t->counting) {
		return;
	}
	r->sent++;
	const uint64_t lag = now > due_ns ? now - due_ns : 0;
	r->lag_max_ns = lag > r->lag_max_ns ? lag : r->lag_max_ns;
	r->late += lag > LAG_LATE_NS;
}

bool load_kept_pace(const struct load_result *r)
{
	return r->lag_max_ns <= LAG_VOID_NS && r->late * 1000 <= r->sent * LAG_VOID_SHARE;
}
