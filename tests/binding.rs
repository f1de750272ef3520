//! Binding, by case files: a model, tables, and what is bound or refused.

use hvi::ast;
use hvi::data::Chunks;
use hvi::data::Column;
use hvi::data::Table;
use hvi::data::Tables;
use hvi::model::Frame;
use hvi::model::Model;
use hvi::model::bind;
use hvi::model::dump;
use hvi::model::sketch;
use hvi::problem::Code;
use hvi::problem::Problems;
use hvi::problem::render;
use hvi::shape::PlateId;
use hvi::source::Source;
use hvi::typed::ColumnId;
use hvi::typed::DataKind;
use hvi::typed::Overrides;
use hvi::typed::Typed;
use hvi::typed::check;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

/// A checked model; its warnings are the matter of other cases.
fn typed(source: &Source, set: &Overrides) -> Result<Arc<Typed>, Problems> {
    let ast = ast::parse(source)?;
    let (typed, _) = check(source, &ast, set)?;
    Ok(Arc::new(typed))
}

struct Case {
    name: String,
    model: String,
    tables: Vec<(String, String)>,
    set: Overrides,
}

fn cases(text: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("--- ") {
            cases.push(Case {
                name: name.to_string(),
                model: String::new(),
                tables: Vec::new(),
                set: Overrides::new(),
            });
            continue;
        }
        let Some(case) = cases.last_mut() else {
            continue;
        };
        if let Some(table) = line.strip_prefix("=== ") {
            case.tables.push((table.to_string(), String::new()));
        } else if let Some(set) = line.strip_prefix("set ") {
            let (name, value) = set.split_once('=').expect("name=value");
            case.set.insert(name.to_string(), value.to_string());
        } else {
            let text = case.tables.last_mut().map_or(&mut case.model, |t| &mut t.1);
            text.push_str(line);
            text.push('\n');
        }
    }
    cases
}

fn outcome(case: &Case) -> String {
    let source = Source::new("model.hvi", &case.model);
    let said = |problems: Problems| render(&problems, &source, false);
    let typed = match typed(&source, &case.set) {
        Ok(typed) => typed,
        Err(problems) => panic!("{}: {}", case.name, said(problems)),
    };
    assert_sound(&sketch(&typed));
    let mut problems = Problems::new();
    let mut tables = Tables::default();
    for (name, text) in &case.tables {
        match Table::parse(&format!("{name}.csv"), text) {
            Ok(table) if name == "data" => tables = Tables::new(table),
            Ok(table) => tables = tables.with(name, table),
            Err(more) => problems.extend(more),
        }
    }
    if problems.has_errors() {
        return said(problems);
    }
    match bind(&typed, &tables) {
        Ok((model, warnings)) => {
            assert_sound(&model);
            dump(&model) + &said(warnings)
        }
        Err(problems) => said(problems),
    }
}

#[test]
fn cases_are_bound_or_refused_as_recorded() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suite/model");
    let mut files: Vec<_> = std::fs::read_dir(root)
        .expect("the cases")
        .map(|entry| entry.expect("a file").path())
        .filter(|path| path.extension().is_some_and(|e| e == "cases"))
        .collect();
    files.sort();
    for file in files {
        let text = std::fs::read_to_string(&file).expect("a case file");
        for case in cases(&text) {
            assert_streams(&case);
            let group = file
                .file_stem()
                .expect("a name")
                .to_string_lossy()
                .into_owned();
            insta::with_settings!({
                description => case.model.clone(),
                omit_expression => true,
                prepend_module_to_snapshot => false,
                snapshot_path => format!("suite/model/{group}"),
            }, {
                insta::assert_snapshot!(case.name.clone(), outcome(&case));
            });
        }
    }
}

/// Holds a case that is bound chunk by chunk against the same bound at once.
fn assert_streams(case: &Case) {
    let source = Source::new("model.hvi", &case.model);
    let typed = typed(&source, &case.set).expect("a right model");
    let main = case.tables.iter().find(|(name, _)| name == "data");
    let others = case.tables.iter().filter(|(name, _)| name != "data");
    let others = others
        .map(|(name, text)| Ok((name, Table::parse(&format!("{name}.csv"), text)?)))
        .collect::<Result<Vec<_>, Problems>>();
    let (Some((_, main)), Ok(others)) = (main, others) else {
        return;
    };
    let others = others
        .into_iter()
        .fold(Tables::default(), |all, (name, table)| {
            all.with(name, table)
        });
    for rows in [1, 2, 100] {
        assert_same_in_chunks(&typed, main.as_bytes(), &others, rows);
    }
}

/// Binds chunks of some rows, and holds what they give, one below the other, against the whole table bound at once.
fn assert_same_in_chunks(typed: &Arc<Typed>, main: &[u8], others: &Tables, rows: usize) {
    let rows = NonZeroUsize::new(rows).expect("a number of rows");
    let Ok(chunks) = Chunks::parse("data.csv", main, rows) else {
        return assert!(Table::parse("data.csv", main).is_err());
    };
    let whole = Table::parse("data.csv", main).expect("a table");
    let whole = bind(typed, &others.with_main(whole));
    let codes =
        |problems: &Problems| -> Vec<Code> { problems.sorted().iter().map(|p| p.code).collect() };
    let ((whole, warnings), (frame, same)) = match (whole, Frame::new(typed, &chunks, others)) {
        (Ok(whole), Ok(frame)) => (whole, frame),
        (Err(whole), Err(frame)) => {
            let (all, some) = (codes(&whole), codes(&frame));
            let known = |code: &Code| all.contains(code);
            return assert!(
                !some.is_empty() && some.iter().all(known),
                "{all:?} {some:?}"
            );
        }
        (Ok(_), Err(frame)) => panic!("not bound in chunks: {frame:?}"),
        (Err(whole), Ok(_)) => panic!("bound in chunks in spite of {whole:?}"),
    };
    assert_eq!(warnings.sorted(), same.sorted());
    assert_eq!(
        format!("{:?}", whole.report()),
        format!("{:?}", frame.report())
    );
    let parts: Vec<Model> = chunks
        .tables()
        .expect("a pass")
        .map(|chunk| frame.bind(chunk.expect("a chunk")).expect("it binds"))
        .collect();
    parts.iter().for_each(assert_sound);
    let ids = || (0..typed.plates().len()).map(|p| PlateId(p as u32));
    for plate in ids() {
        let bound = whole.plate(plate);
        for part in parts.iter().filter(|_| !frame.is_streamed(plate)) {
            assert_eq!(part.plate(plate).labels, bound.labels);
            assert_eq!(part.plate(plate).above, bound.above);
        }
        for (other, map) in bound.above.iter().filter(|_| frame.is_streamed(plate)) {
            let parts = parts
                .iter()
                .flat_map(|part| part.plate(plate).above[other].iter());
            assert!(parts.eq(map.iter()), "{map:?}");
        }
    }
    for (c, declared) in typed.columns().iter().enumerate() {
        let id = ColumnId(c as u32);
        let bound = whole.column(id);
        let component = |model: &Model, k: usize| {
            let len = model.plate(declared.plate).len();
            model.column(id).values[k * len..][..len].to_vec()
        };
        for part in &parts {
            let own = part.column(id);
            assert_eq!((own.width, &own.levels), (bound.width, &bound.levels));
            assert!(frame.is_streamed(declared.plate) || own.values == bound.values);
        }
        for k in (0..bound.width).filter(|_| frame.is_streamed(declared.plate)) {
            let parts = parts.iter().flat_map(|part| component(part, k));
            assert!(parts.eq(component(&whole, k)), "{}", declared.name);
        }
    }
    for part in &parts {
        assert_eq!(part.scalings().len(), whole.scalings().len());
        for (own, scaling) in part.scalings().iter().zip(whole.scalings()) {
            assert_eq!((own.column, own.scaling), (scaling.column, scaling.scaling));
            let own = own.mean.iter().chain(&own.sd);
            for (a, b) in own.zip(scaling.mean.iter().chain(&scaling.sd)) {
                // Means that cancel to 0 differ by the rounding of their terms.
                assert!(
                    (a - b).abs() <= 1e-12 * b.abs().max(scaling.sd[0]),
                    "{a} {b}"
                );
            }
        }
    }
}

/// A model with plates and columns of all kinds, over tables that bind.
const WHOLE: &str = r#"data year: count
plate school {
  data size: positive
  plate class = levels(school, class) {
    plate pupil = rows {
      data x: real[D] = columns("x_*")
      data y: real
      data share: unit
      data passed: binary
      data colour: category
      data grade: ordinal("low", "mid", "high")
      data rank: ordinal
      data friend: school
      s = standardize(y)
      c = center(x)
    }
  }
}
"#;

const MAIN: &str = "school,class,x_a,x_b,y,share,passed,colour,grade,rank,friend,year
9,1,0.5,1,-1,0.5,yes,red,low,1,10,2000
10,1,1.5,2,2.5,0,no,blue,mid,3,9,2000
10,2,2.5,3,1e3,1,TRUE,\"dark, red\",high,2,9,2000
9,2,3.5,4,7,0.25,0,red,low,2,10,2000
";

const SCHOOLS: &str = "school,size\n9,1.5\n10,2.5\n";

/// What every bound model keeps.
fn assert_sound(model: &Model) {
    let typed = model.typed();
    for (p, plate) in model.plates().iter().enumerate() {
        assert!(!plate.is_empty());
        for other in (1..typed.plates().len()).map(|o| PlateId(o as u32)) {
            let id = PlateId(p as u32);
            let map = plate.above.get(&other);
            assert_eq!(map.is_some(), id != other && typed.determines(id, other));
            for (far, second) in map.iter().flat_map(|_| &model.plate(other).above) {
                let (first, whole) = (&plate.above[&other], &plate.above[far]);
                assert!((0..plate.len()).all(|i| second[first[i] as usize] == whole[i]));
            }
            let len = model.plate(other).len() as u32;
            assert!(map.is_none_or(|m| m.len() == plate.len() && m.iter().all(|e| *e < len)));
        }
    }
    for (c, declared) in typed.columns().iter().enumerate() {
        let column = model.column(ColumnId(c as u32));
        let width: usize = declared.event.iter().map(|d| model.dim(*d)).product();
        assert_eq!(column.width, width);
        assert_eq!(
            column.values.len(),
            width * model.plate(declared.plate).len()
        );
        let (low, high) = match &declared.kind {
            DataKind::Real => (f64::MIN, f64::MAX),
            DataKind::Positive => (f64::MIN_POSITIVE, f64::MAX),
            DataKind::Unit | DataKind::Binary => (0.0, 1.0),
            DataKind::Count => (0.0, f64::MAX),
            DataKind::Category(dim) | DataKind::Ordinal(dim, _) => {
                assert_eq!(column.levels.len(), model.dim(*dim));
                (1.0, column.levels.len() as f64)
            }
            DataKind::Key(plate) => (0.0, model.plate(*plate).len() as f64 - 1.0),
        };
        let inside = |v: &f64| (low..=high).contains(v);
        assert!(column.values.iter().all(inside), "{}", declared.name);
    }
    for scaling in model.scalings() {
        let width = model.column(scaling.column).width;
        assert_eq!((scaling.mean.len(), scaling.sd.len()), (width, width));
        assert!(scaling.sd.iter().all(|sd| *sd > 0.0));
    }
}

fn model(text: &str) -> Arc<Typed> {
    let source = Source::new("model.hvi", text);
    match typed(&source, &Overrides::new()) {
        Ok(typed) => typed,
        Err(problems) => panic!("{}", render(&problems, &source, false)),
    }
}

#[test]
fn the_report_counts_rows_groups_and_what_is_unused() {
    let typed = model("plate school { plate pupil = rows { data y: real } }");
    let main = Table::parse("data.csv", "school,y,z\nB,1,5\nB,2,6\nA,3,7\n").expect("a table");
    let schools = Table::parse("school.csv", "school\nA\nB\nC\n").expect("a table");
    let tables = Tables::new(main).with("school", schools);
    let (model, _) = bind(&typed, &tables).expect("it binds");
    let report = model.report();
    assert_eq!(
        (report.rows, report.unused.as_slice()),
        (3, ["z".to_string()].as_slice())
    );
    let school = &report.plates[0];
    assert_eq!((school.len, school.empty), (3, 1));
    assert_eq!(school.rows, Some(((0, "C".into()), (2, "B".into()))));
    let pupil = &report.plates[1];
    assert_eq!((pupil.len, pupil.empty, pupil.rows.is_none()), (3, 0, true));
}

/// One change of a text: at a place, remove some bytes and put others.
type Change = (usize, usize, &'static str);

fn change(text: &str, changes: &[Change]) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    for (place, removed, put) in changes {
        let start = place % (bytes.len() + 1);
        let end = (start + removed).min(bytes.len());
        bytes.splice(start..end, put.bytes());
    }
    bytes
}

fn changes() -> impl proptest::strategy::Strategy<Value = Vec<Change>> {
    let put = proptest::sample::select(vec![
        "",
        ",",
        "\n",
        "\r\n",
        "\"",
        "1",
        "9",
        "10",
        "-1",
        "0.5",
        "NA",
        "x",
        "é",
        ";",
        " ",
        "1e999",
        "school",
        "x_c",
        "99999999999999999999",
        "\u{feff}",
        "red",
        "low",
    ]);
    proptest::collection::vec((0..1000_usize, 0..4_usize, put), 0..4)
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(3000))]

    #[test]
    fn no_table_makes_binding_panic_and_what_binds_is_sound(main in changes(), schools in changes(), with_schools: bool, rows in 1_usize..5) {
        let typed = model(WHOLE);
        let text = change(MAIN, &main);
        let main = Table::parse("data.csv", &text);
        let schools = Table::parse("school.csv", change(SCHOOLS, &schools));
        let source = Source::new("model.hvi", WHOLE);
        match (main, schools) {
            (Ok(main), Ok(schools)) => {
                let tables = Tables::new(main);
                let tables = if with_schools { tables.with("school", schools) } else { tables };
                assert_same_in_chunks(&typed, &text, &tables, rows);
                match bind(&typed, &tables) {
                    Ok((model, warnings)) => {
                        assert_sound(&model);
                        assert!(!warnings.has_errors() && !dump(&model).is_empty());
                    }
                    Err(problems) => {
                        assert!(problems.has_errors());
                        assert!(!render(&problems, &source, false).is_empty());
                    }
                }
            }
            (main, schools) => {
                for problems in [main.err(), schools.err()].into_iter().flatten() {
                    assert!(problems.has_errors() && !render(&problems, &source, false).is_empty());
                }
            }
        }
    }
}

#[test]
fn the_whole_model_binds_as_it_stands() {
    let schools = Table::parse("school.csv", SCHOOLS).expect("a table");
    let tables =
        Tables::new(Table::parse("data.csv", MAIN).expect("a table")).with("school", schools);
    let typed = model(WHOLE);
    let (model, warnings) = bind(&typed, &tables).expect("it binds");
    assert_sound(&model);
    assert!(warnings.is_empty());
    let two = NonZeroUsize::new(2).expect("a number of rows");
    let chunks = Chunks::parse("data.csv", MAIN, two).expect("chunks");
    let (frame, _) = Frame::new(&typed, &chunks, &tables).expect("it binds in chunks");
    assert_eq!((frame.rows(), frame.report().rows), (4, 4));
    let rows: Vec<String> = (0..4)
        .filter(|p| frame.is_streamed(PlateId(*p)))
        .map(|p| typed.plates()[p as usize].name.clone())
        .collect();
    assert_eq!(rows, ["pupil"]);
}

#[test]
fn numbers_that_need_no_conversion_are_not_copied() {
    let typed = model(
        "plate obs = rows {\n  data x, p: real\n  data n: count\n  x ~ Normal(p, 1 + n)\n}\n",
    );
    let text = "x,p,n\n0.5,1e300,1\n-0,2,200\n";
    let tables = Tables::new(Table::parse("data.csv", text).expect("a table"));
    let (model, _) = bind(&typed, &tables).expect("it binds");
    let bound = |i: u32| &model.column(ColumnId(i)).values;
    assert_eq!(**bound(0), [0.5, 0.0]);
    assert_eq!(**bound(2), [1.0, 200.0]);
    for (i, name) in [(0, "x"), (1, "p")] {
        let Some(Column::Numbers(numbers)) = tables.main().column(name) else {
            panic!("`{name}` holds numbers");
        };
        let stored = numbers.shared().expect("doubles");
        assert!(stored.same(bound(i)), "`{name}` was copied");
    }
}
