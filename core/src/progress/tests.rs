use super::*;

const SECOND: i64 = 1_000_000;

fn report() -> Report {
    Report {
        work: Work::Ingest,
        phase: Phase::Storing,
        unit: Unit::Bytes,
        model_id: 7,
        tenant_id: 1,
        job_id: 9,
        done: 0,
        total: 98 << 20,
        done_before: 0,
        started: SECOND,
        phase_started: 2 * SECOND,
    }
}

#[test]
fn a_line_has_share_rate_and_time_to_go() {
    let half = Report { done: 49 << 20, ..report() };
    assert_eq!(half.line(3 * SECOND), "storing: 50 % of 98.0 MB, 49.0 MB/s, 1 s to go");
    let slow = Report { total: 10 << 40, done: 1 << 30, ..report() };
    assert_eq!(slow.line(12 * SECOND), "storing: 0 % of 10.0 TB, 102 MB/s, 28 h 26 min to go");
}

#[test]
fn what_an_earlier_run_did_is_no_speed() {
    let resumed = Report { done: 60 << 20, done_before: 50 << 20, ..report() };
    assert_eq!(resumed.rate_text(3 * SECOND).as_deref(), Some("10.0 MB/s"));
    assert_eq!(resumed.time_left(3 * SECOND), Some(Duration::from_secs_f64(3.8)));
}

#[test]
fn before_anything_is_done_there_is_no_rate() {
    assert_eq!(report().line(3 * SECOND), "storing: 0 % of 98.0 MB");
    assert_eq!(report().line(2 * SECOND), "storing: 0 % of 98.0 MB");
    // A clock that was set back.
    assert_eq!(Report { done: 1, ..report() }.rate(0), None);
}

#[test]
fn the_end_is_not_said_too_early() {
    let almost = Report { done: (98 << 20) - 1, ..report() };
    assert!(almost.line(3 * SECOND).starts_with("storing: 99 % of"), "{}", almost.line(3 * SECOND));
    let end = Report { done: 98 << 20, ..report() };
    assert_eq!(end.line(3 * SECOND), "storing: 100 % of 98.0 MB, 98.0 MB/s");
    // More than was expected is still the whole.
    assert_eq!(Report { done: 99 << 20, ..report() }.share(), Some(1.0));
}

#[test]
fn without_a_total_the_number_itself_is_said() {
    let open = Report { total: 0, done: 12_345, unit: Unit::Atoms, phase: Phase::Deleting, ..report() };
    assert_eq!(open.line(3 * SECOND), "deleting: 12.3 thousand atoms, 12.3 thousand atoms/s");
    assert_eq!(Report { done: 0, ..open }.line(3 * SECOND), "deleting");
    assert_eq!((open.share(), open.time_left(3 * SECOND)), (None, None));
}

#[test]
fn amounts_are_short() {
    let text = |amount, unit| Amount(amount, unit).to_string();
    assert_eq!(text(0.0, Unit::Bytes), "0 bytes");
    assert_eq!(text(10_239.0, Unit::Bytes), "10239 bytes");
    assert_eq!(text(10_240.0, Unit::Bytes), "10.0 kB");
    assert_eq!(text(1_073_741_823.0, Unit::Bytes), "1.0 GB");
    assert_eq!(text(134_515_008.0, Unit::Weights), "135 million weights");
    assert_eq!(text(3.0, Unit::Indexes), "3 indexes");
    assert_eq!(text(0.25, Unit::Indexes), "0.2 indexes");
    assert_eq!(text(1e30, Unit::Weights), "1000000000000000000 trillion weights");
}

#[test]
fn times_are_rounded_up() {
    let text = |seconds| TimeText(Duration::from_secs_f64(seconds)).to_string();
    assert_eq!(text(0.2), "1 s");
    assert_eq!(text(59.5), "1 min 0 s");
    assert_eq!(text(200.0), "3 min 20 s");
    assert_eq!(text(7_500.0), "2 h 5 min");
}

#[test]
fn numbers_give_the_report_back() {
    for work in Work::ALL {
        for phase in Phase::ALL {
            let report = Report { work: *work, phase: *phase, done: 5, done_before: 3, ..report() };
            assert_eq!(Report::from_params(&report.to_params()), Some(report));
            assert_eq!(
                (Work::from_name(work.name()), Phase::from_name(phase.name())),
                (Some(*work), Some(*phase))
            );
        }
    }
}

#[test]
fn other_numbers_are_no_report() {
    let good = report().to_params();
    assert_eq!(Report::from_params(&[0; 20]), None);
    assert_eq!(Report::from_params(&good[..PARAMS - 1]), None);
    for (index, value) in [(0, 1), (1, 0), (2, 99), (3, -1), (7, -1), (8, i64::MIN)] {
        let mut bad = good;
        bad[index] = value;
        assert_eq!(Report::from_params(&bad), None, "{index}");
    }
}
