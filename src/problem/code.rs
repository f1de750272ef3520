//! The catalogue of problem codes: one row each, with a title, an explanation and an example that raises it.

use super::Severity;

/// A model, and where needed data, that raise a problem.
#[derive(Clone, Copy, Debug)]
pub struct Example {
    /// The model's text.
    pub model: &'static str,
    /// The text of the main CSV; `None` when the problem is found before any data are read.
    pub data: Option<&'static str>,
    /// Further tables: name and CSV text.
    pub tables: &'static [(&'static str, &'static str)],
    /// `--set` settings.
    pub set: &'static [&'static str],
}

/// An example that needs no data.
const fn model(model: &'static str) -> Example {
    Example {
        model,
        data: None,
        tables: &[],
        set: &[],
    }
}

/// An example with `--set` settings.
const fn with_set(model: &'static str, set: &'static [&'static str]) -> Example {
    Example {
        model,
        data: None,
        tables: &[],
        set,
    }
}

/// An example with a main table.
const fn with_data(model: &'static str, data: &'static str) -> Example {
    Example {
        model,
        data: Some(data),
        tables: &[],
        set: &[],
    }
}

macro_rules! codes {
    ($($name:ident $id:literal $severity:ident $title:literal $explanation:literal $example:expr;)*) => {
        /// Which problem.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum Code {
            $(#[doc = $title] $name,)*
        }

        impl Code {
            /// Every code, in the order of the catalogue.
            pub const ALL: &'static [Code] = &[$(Code::$name),*];

            /// The stable identifier that messages print.
            pub fn id(self) -> &'static str {
                match self { $(Code::$name => $id,)* }
            }

            /// What is wrong, in general words.
            pub fn title(self) -> &'static str {
                match self { $(Code::$name => $title,)* }
            }

            /// Why it is a problem and what to do.
            pub fn explanation(self) -> &'static str {
                match self { $(Code::$name => $explanation,)* }
            }

            /// A model that raises it.
            pub fn example(self) -> Example {
                match self { $(Code::$name => $example,)* }
            }

            /// How bad it is.
            pub fn severity(self) -> Severity {
                match self { $(Code::$name => Severity::$severity,)* }
            }
        }
    };
}

codes! {
    // E01: text and syntax
    UnclosedComment "E0101" Error
        "a comment is not closed"
        "A comment that starts with `/*` ends at the next `*/`; comments do not nest."
        model("mu ~ Normal(0, 1) /* the mean\n");
    UnclosedText "E0102" Error
        "a text in quotes is not closed"
        "A text begins and ends with `\"` on the same line. Inside it `\\\"` is a quote and `\\\\` a backslash."
        model("plate house = rows {\n  data floor: real = column(\"Floor level)\n}\n");
    HashComment "E0103" Error
        "`#` does not begin a comment"
        "A comment begins with `//` and goes to the end of the line, or stands between `/*` and `*/`."
        model("mu ~ Normal(0, 1)   # the mean\n");
    UnknownCharacter "E0104" Error
        "a character that means nothing"
        "Outside comments and quotes a model is made of ASCII letters, digits and the signs of the language."
        model("plate house = rows {\n  data y: real\n  y ~ Normal(d$mu, 1)\n}\n");
    ForeignSymbol "E0105" Error
        "a sign of another language or typeface"
        "Power is `^`, the matrix product `@`, all other arithmetic is element-wise; quotes are straight and double."
        model("x ~ Normal(0, 1)\ny = x ** 2\n");
    MalformedNumber "E0106" Error
        "a number is not well formed"
        "A number has digits on both sides of its point, and a name never begins with a digit: `0.5`, `1.0`, `1e-3`, `2 * x`."
        model("mu ~ Normal(.5, 1)\nx = 2mu\n");
    MalformedName "E0107" Error
        "a name has other characters than letters, digits and `_`"
        "Names are made of ASCII letters, digits and `_`, so that every tool that reads a result can spell them."
        model("σ ~ HalfNormal(1)\nplate house = rows {\n  data log.radon: real\n  log.radon ~ Normal(0, σ)\n}\n");
    UnclosedBracket "E0108" Error
        "a bracket is not closed"
        "The statement or the file ends before the bracket is closed."
        model("mu ~ Normal(0, 1\nplate school {\n  theta ~ Normal(mu, (1 + 2)\n");
    UnopenedBracket "E0109" Error
        "a bracket closes nothing, or another kind of bracket"
        "Each closing bracket closes the last one that is open, which must be of its kind."
        model("x = (1 + 2))\ny = [1, 2)\n");
    NestedTooDeeply "E0110" Error
        "brackets, blocks, `if`s or operators nest too deeply"
        "The depth of a text is bounded so that no model can exhaust the memory of the compiler."
        model("x = ((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((1))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))\n");
    UnexpectedText "E0111" Error
        "something else should stand here"
        "The text does not follow the grammar at this place."
        model("plate house = rows {\n  data y real\n  y ~ Normal(0 1)\n}\nx =\n");
    ReservedName "E0112" Error
        "a reserved word is used as a name"
        "`plate data const fn factor guide if then else in where` are reserved."
        model("data ~ Normal(0, 1)\nplate house = rows {\n  data where: real\n}\n");
    Assignment "E0113" Error
        "a value is defined with `=`"
        "A definition is `x = expression`. It holds once and for all: there are no assignments that change a value."
        model("mu ~ Normal(0, 1)\nx <- exp(mu)\ntarget += x\n");
    Declaration "E0114" Error
        "only columns of the data are declared"
        "A latent variable comes into being with its `~`, a definition with its `=`; shapes stand in brackets behind the name."
        model("real mu;\nmu ~ Normal(0, 1);\n");
    ForeignBlock "E0115" Error
        "only plates and the guide have a block"
        "Repetition is a plate: what stands in it holds for each of its elements. There are no loops and no sections."
        model("mu ~ Normal(0, 1)\nfor (i in 1:8) {\n  theta[i] ~ Normal(mu, 1)\n}\n");
    CallInHead "E0116" Error
        "a statement begins with a call"
        "Left of `~` and `=` stands a name, with a shape if it has one. A function is defined with `fn`."
        model("plate house = rows {\n  data y: positive\n  log(y) ~ Normal(0, 1)\n}\n");
    NotADistribution "E0117" Error
        "right of `~` stands one distribution"
        "`~` says that the left has the distribution on the right; the mean and what it is made of are its arguments."
        model("beta ~ Normal(0, 1)\nplate house = rows {\n  data x, y: real\n  y ~ 1 + x\n}\n");
    ComparisonChain "E0118" Error
        "comparisons do not chain"
        "`a < b < c` would compare the result of `a < b`, which is 0 or 1, with `c`."
        model("plate house = rows {\n  data x, y: real\n  y ~ Normal(0, 1) where 0 < x < 3\n}\n");
    IfInOperand "E0119" Error
        "an `if` inside an expression stands in parentheses"
        "`if c then a else b` reaches as far as it can, so as an operand it needs parentheses to say where it ends."
        model("plate house = rows {\n  data x: binary\n  z = 1 + if x == 1 then 2 else 3\n}\n");
    RepeatedClause "E0120" Error
        "a plate has the same clause twice"
        "A plate has at most one `in` and one `order by`."
        model("plate a { }\nplate b { }\nplate answer = rows in a in b { }\n");

    // E02: names and plates
    DuplicateName "E0201" Error
        "a name is declared twice"
        "Variables, data, constants, functions and plates share one namespace in the whole file: each name is declared once."
        model("plate year {\n  data year: real\n  effect ~ Normal(0, 1)\n}\n");
    UnknownName "E0202" Error
        "a name is not declared"
        "A name stands for a column (`data`), a latent variable (`~`), a definition (`=`), a constant or a size."
        model("mu ~ Normal(0, 1)\nsigma ~ HalfNormal(1)\nplate row = rows {\n  data y: real\n  y ~ Normal(mu, sgima)\n}\n");
    SecondStatement "E0203" Error
        "a name has two distributions"
        "One `~` for each name. Further terms are added by `factor`; the parts of a vector have one statement together."
        model("mu[2] ~ Normal(0, 1)\nmu[1] ~ Normal(3, 1)\n");
    Cycle "E0204" Error
        "variables depend on each other in a circle"
        "Each value is computed from others; followed far enough they must end at data, constants and draws of their own."
        model("a ~ Normal(b, 1)\nb = 2 * c\nc = a + 1\n");
    OutOfScope "E0205" Error
        "a name of a plate that the current one does not determine"
        "In a plate the names of all plates that it determines may be used: then the element meant is never in doubt. A plate determines those that it is nested in or says `in`."
        model("plate student { ability ~ Normal(0, 1) }\nplate item { difficulty ~ Normal(0, 1) }\nplate answer = rows in student {\n  data correct: binary\n  correct ~ Bernoulli(logit = ability - difficulty)\n}\n");
    UnknownPlate "E0206" Error
        "a plate is not declared"
        "After `in`, and before the colon of `sum(plate: x)`, stands the name of a plate."
        model("plate student { ability ~ Normal(0, 1) }\nplate answer = rows in studnet {\n  data score: real\n  score ~ Normal(ability, 1)\n}\n");
    PlateCycle "E0207" Error
        "plates lie in each other"
        "If each class lies in one school, a school cannot lie in one class, unless they are the same."
        model("plate class in school { a ~ Normal(0, 1) }\nplate school in class { b ~ Normal(0, 1) }\n");
    PlateNamedLikeType "E0208" Error
        "a plate is named like a type of data"
        "`data winner: player` declares labels of a plate, so a plate cannot be called `real`, `count` or like another type."
        model("plate category {\n  a ~ Normal(0, 1)\n  plate row = rows {\n    data y: real\n    y ~ Normal(a, 1)\n  }\n}\n");
    NotAValue "E0209" Error
        "a plate or a function is used as a value"
        "A plate's name is an index or a dimension, a function's name stands before its arguments."
        model("b ~ Normal(0, 1)\nplate year {\n  plate row = rows {\n    data y: real\n    y ~ Normal(b * year, 1)\n  }\n}\n");
    PlateInRows "E0210" Error
        "a plate lies in the rows of a table"
        "No column says in which row an element lies. `levels(…)` over the columns that name a row gives it elements that others can lie in."
        model("plate visit = rows {\n  plate measure = rows {\n    data y: real\n    y ~ Normal(0, 1)\n  }\n}\n");
    CountInPlate "E0211" Error
        "a plate of a fixed number of elements lies in another"
        "Its elements are 1, 2 … once in the whole model. One value for each of them in each element of another plate is a vector: `theta[topic]`."
        model("const K = 3\nplate document {\n  plate topic = K { theta ~ Normal(0, 1) }\n}\n");
    PlateSize "E0212" Error
        "a plate has no number of elements"
        "The elements of a plate are `rows`, `levels(…)`, `union(…)`, or a whole number of them, which is a constant."
        model("plate group = 2.5 { a ~ Normal(0, 1) }\n");
    RecursiveFunction "E0213" Error
        "a function calls itself"
        "Functions are inlined: each call is replaced by the body. A function that calls itself would never end."
        model("fn f(x) = x * f(x - 1)\ny = f(3)\n");
    DefinedFromLatents "E0214" Error
        "a definition made of latent variables has a distribution"
        "What is defined from data alone is observed. What is defined from latent variables is given by them already; a further term for it is a `factor`, which adds no Jacobian."
        model("a, b ~ Normal(0, 1)\nd = a - b\nd ~ Normal(0, 0.1)\n");
    MisspeltOutcome "E0215" Error
        "a latent variable that nothing depends on stands beside data that are never used"
        "What is not declared as data is latent. A misspelt outcome would be a latent variable that learns nothing, and the data would be left out without a word."
        model("mu ~ Normal(0, 1)\nplate house = rows {\n  data log_radon: real\n  log_radn ~ Normal(mu, 1)\n}\n");

    // E03: shapes and expressions
    ShapesDiffer "E0301" Error
        "shapes differ"
        "Arithmetic is element by element, on equal shapes or with a number."
        model("a[2] ~ Normal(0, 1)\nb[3] ~ Normal(0, 1)\nc = a + b\n");
    UnknownFunction "E0302" Error
        "a function is not declared"
        "The functions of the language are listed in `docs/language.md`; `fn` declares others."
        model("a ~ Normal(0, 1)\np = inv_logit(a)\n");
    ArgumentCount "E0303" Error
        "a function is called with the wrong arguments"
        "Functions take their arguments by position, as many as they have parameters."
        model("a, b ~ Normal(0, 1)\nc = max(a, b)\n");
    FunctionShape "E0304" Error
        "a function does not take these shapes"
        "Functions of vectors and matrices say what shapes they take; `hvic doc` shows them."
        model("a[2] ~ Normal(0, 1)\nb[3] ~ Normal(0, 1)\nc = dot(a, b)\n");
    IndexRank "E0305" Error
        "an index has too many or too few places"
        "`v[k]` takes a number of a vector, `m[i, j]` one of a matrix, `m[i, :]` a row."
        model("L[2, 2] ~ LKJCholesky(2)\nrow = L[1]\n");
    IndexRange "E0306" Error
        "an index is out of range"
        "Indices count from 1 to the size of the dimension."
        model("b[2] ~ Normal(0, 1)\nc = b[0] + b[3]\n");
    IndexKind "E0307" Error
        "an index is not a whole number known from data"
        "An index is made of constants, counts, categories, key columns and names of plates."
        model("b[3] ~ Normal(0, 1)\nplate row = rows {\n  data group, y: real\n  y ~ Normal(b[group], 1)\n}\n");
    WrongDimension "E0308" Error
        "an index belongs to another dimension"
        "A vector indexed by the levels of a column, or by the elements of a plate, has one number for each of them."
        model("b[3] ~ Normal(0, 1)\nplate row = rows {\n  data region: category\n  data y: real\n  y ~ Normal(b[region], 1)\n}\n");
    ConditionOfLatents "E0309" Error
        "a condition depends on latent variables"
        "`if` and `where` choose by data and constants: a density with jumps in its parameters has no useful gradient."
        model("a ~ Normal(0, 1)\nb = if a > 0 then a else 0\n");
    ScalarExpected "E0310" Error
        "a number is needed, and this is a vector"
        "A factor adds one number to the log joint; a condition and an index are one number each."
        model("a[2] ~ Normal(0, 1)\nfactor -a^2\n");
    TextAsValue "E0311" Error
        "a text is used as a value"
        "Texts in quotes name columns, and levels in a comparison with `==`."
        model("plate row = rows {\n  data y: real\n  y ~ Normal(\"mu\", 1)\n}\n");
    KeyAsValue "E0312" Error
        "a label is used as a number"
        "A column whose type is a plate holds labels of its elements. In brackets it is an index."
        model("plate player { skill ~ Normal(0, 1) }\nplate game = rows {\n  data winner: player\n  data margin: real\n  margin ~ Normal(winner, 1)\n}\n");
    AggregateOfOwn "E0313" Error
        "an aggregate over a plate that the current one lies in"
        "An element lies in exactly one element of each plate that it determines, so there is nothing to add up. One level up there is."
        model("plate item {\n  alpha ~ Normal(0, 1)\n  a = alpha - mean(item: alpha)\n}\n");
    UnknownAggregate "E0314" Error
        "a function that does not go over plates"
        "`sum`, `mean`, `sd`, `min`, `max` and `log_sum_exp` go over the elements of a plate."
        model("plate item { p ~ Beta(1, 1) }\nall = prod(item: p)\n");
    BadDimension "E0315" Error
        "a shape is not known before data are read"
        "A shape is made of whole constants, sizes that data bind, and names of plates."
        model("n ~ HalfNormal(1)\nx[n] ~ Normal(0, 1)\n");
    ConstantExpected "E0316" Error
        "a constant depends on something else"
        "Constants are evaluated before anything else: they are made of numbers and other constants."
        model("mu ~ Normal(0, 1)\nconst twice = 2 * mu\nnu ~ Normal(0, twice)\n");
    ColumnsCount "E0317" Error
        "the columns do not fill the shape"
        "`columns(a, b, c)` gives a vector of three numbers, `column(\"a\")` one."
        model("b[3] ~ Normal(0, 1)\nplate row = rows {\n  data x: real[3] = columns(x1, x2)\n  data y: real\n  y ~ Normal(dot(b, x), 1)\n}\n");
    UnknownType "E0318" Error
        "a type of data is not known"
        "Types are `real`, `positive`, `unit`, `count`, `binary`, `category`, `ordinal`, and the names of plates for columns of their labels."
        model("plate row = rows {\n  data n: int\n  n ~ Poisson(3)\n}\n");
    TypeArguments "E0319" Error
        "a type of data does not take these arguments"
        "`category(K)` and `ordinal(K)` give the number of levels, `ordinal(\"low\", \"high\")` the levels themselves."
        model("plate row = rows {\n  data x: real(3)\n  data y: real\n  y ~ Normal(x, 1)\n}\n");
    FunctionDomain "E0320" Error
        "a function is evaluated outside its domain"
        "The logarithm of a negative number is no number."
        model("a = log(-1)\n");
    TooLarge "E0321" Error
        "functions make the model too large"
        "Calls are replaced by the function's body. Functions that call others many times can grow without bound."
        model("fn f(x) = x + x\nfn g(x) = f(f(f(f(f(f(f(f(f(f(x))))))))))\nfn h(x) = g(g(g(g(g(g(x))))))\nfn k(x) = h(h(h(h(h(h(x))))))\nfn m(x) = k(k(k(k(k(k(x))))))\na ~ Normal(0, 1)\nb = m(m(a))\n");
    ColumnExpected "E0322" Error
        "a data column is expected"
        "`center` and `standardize` take a column of data: its mean and spread are stored with the fit for new rows."
        model("a ~ Normal(0, 1)\nb = standardize(a)\n");

    // E04: distributions and their arguments
    UnknownDistribution "E0401" Error
        "a distribution is not known"
        "`hvic doc` lists the distributions with their parameters."
        model("mu ~ normal(0, 1)\ntau ~ half_cauchy(1)\nplate row = rows {\n  data y: real\n  y ~ dnorm(mu, tau)\n}\n");
    DistributionArguments "E0402" Error
        "a distribution has other parameters"
        "Arguments are given in the order of the first form, or by the names of any form."
        model("mu ~ Normal(0, 1, 2)\nnu ~ Normal(0, sdd = 2)\n");
    ArgumentShape "E0403" Error
        "an argument has another shape"
        "A distribution's own dimensions come last; the others are independent draws, over which arguments broadcast from the right."
        model("beta ~ Normal([250, 0], [100, 50])\n");
    TargetShape "E0404" Error
        "a distribution draws another shape"
        "Brackets left of `~` say how large a draw is: `theta[3] ~ Dirichlet(1)`."
        model("theta ~ Dirichlet([1, 1, 1])\n");
    ArgumentDomain "E0405" Error
        "an argument is outside its domain"
        "Standard deviations and rates are positive, probabilities between 0 and 1."
        model("mu, tau ~ Normal(0, 1)\nplate row = rows {\n  data y: real\n  y ~ Normal(mu, tau)\n}\n");
    OutcomeType "E0406" Error
        "data of another type than the distribution gives"
        "The type of a column is checked against its values; a distribution says which values there can be."
        model("plate row = rows {\n  data y: real\n  y ~ Poisson(3)\n}\n");
    LevelsCount "E0407" Error
        "the number of levels differs"
        "A category has as many probabilities as levels, an ordinal one cutpoint fewer."
        model("cut[4] ~ Ordered(Normal(0, 5))\nplate row = rows {\n  data y: ordinal(4)\n  y ~ OrderedLogistic(0, cut)\n}\n");
    DiscreteLatent "E0408" Error
        "a latent variable takes infinitely many discrete values"
        "Latent variables are continuous; discrete ones can be summed out only if there are finitely many values."
        model("n ~ Poisson(3)\n");
    DistributionExpected "E0409" Error
        "a distribution is expected"
        "`log_prob`, `log_cdf`, `log_ccdf` and `Ordered` take a distribution as first argument."
        model("a ~ Normal(0, 1)\nfactor log_prob(a, 1)\n");
    DistributionAsValue "E0410" Error
        "a distribution is used as a value"
        "A distribution stands right of `~`, or in `log_prob`."
        model("x = Normal(0, 1)\n");
    ConditionOnLatent "E0411" Error
        "a latent variable has a condition"
        "`where` says for which elements data or factors count. A latent variable exists in each element of its plate."
        model("plate group {\n  data size: count\n  a ~ Normal(0, 1) where size > 3\n}\n");
    NoDistributionFunction "E0412" Error
        "a distribution function is not available"
        "`log_cdf` and `log_ccdf` need the distribution function in closed form or as a special function."
        model("k ~ HalfNormal(1)\nfactor log_cdf(NegBinomial(3, k), 2)\n");
    EmptyInterval "E0413" Error
        "an interval is empty"
        "The lower bound is below the upper one."
        model("a ~ Uniform(1, 0)\n");

    // E05: guides and settings
    UnknownSetting "E0501" Error
        "a setting names nothing that can be set"
        "`--set` gives the constants of a file and the data of its top level."
        with_set("const prior_sd = 2\nmu ~ Normal(0, prior_sd)\n", &["prior_sdd=3"]);
    BadSetting "E0502" Error
        "a setting has no value that fits"
        "A setting is a number, a vector `[1, 2]` or a matrix `[[1, 2], [3, 4]]`, of the shape and type that the file declares."
        with_set("const weights = [1, 2]\nmu[2] ~ Normal(0, weights)\n", &["weights=3"]);
    UnknownGuideTarget "E0503" Error
        "a guide rule is about nothing that has a guide"
        "A rule of the `guide` block is about a latent variable, about all of a plate, or `default`."
        model("mu ~ Normal(0, 1)\nguide {\n  nu: mean_field\n}\n");
    UnknownGuideFamily "E0504" Error
        "a guide family is not known"
        "Families are `marginal`, `structured`, `mean_field`, `full_rank` and `point`."
        model("mu ~ Normal(0, 1)\nguide {\n  default meanfield\n}\n");
    SecondGuideRule "E0505" Error
        "a guide rule is given twice"
        "One rule for each variable, each plate and `default`. Only one of a later `guide` block takes the place of an earlier one."
        model("mu ~ Normal(0, 1)\nguide {\n  mu: point\n  mu: mean_field\n}\n");
    GuideInPlate "E0506" Error
        "a guide block stands in a plate"
        "The guide is about the whole model; a rule for a plate names it."
        model("plate school {\n  theta ~ Normal(0, 1)\n  guide { theta: mean_field }\n}\n");
    WrongAmortized "E0507" Error
        "an amortised guide is not written as it should be"
        "`NAME: amortized(sgd, steps = K, rate = r)` is a rule for a plate: the locals of each element are what K gradient steps make of the prior. `rate = learned` learns one rate for each variable of the plate, `order = 1` leaves second derivatives out, `support = COLUMN` names a binary column of rows, and the steps see those where it is 1."
        model("mu ~ Normal(0, 1)\nplate task {\n  w ~ Normal(mu, 1)\n  plate row = rows {\n    data y: real\n    y ~ Normal(w, 1)\n  }\n}\nguide {\n  task: amortized(sgd, steps = 5)\n}\n");

    // E06: data
    TableUnreadable "E0601" Error
        "a table is absent or cannot be read"
        "The file does not exist, is a folder, may not be read by the user who runs the command, is not encoded in UTF-8 (spreadsheets export that as `CSV UTF-8`; `iconv` converts), or none was named."
        model("mu ~ Normal(0, 1)\nplate row = rows { data y: real\n y ~ Normal(mu, 1) }\n");
    TableEmpty "E0602" Error
        "a table has no rows"
        "A table is a line that names its columns, and one line for each row below it."
        with_data("mu ~ Normal(0, 1)\nplate row = rows { data y: real\n y ~ Normal(mu, 1) }\n", "y\n");
    NoHeader "E0603" Error
        "a data file has no header"
        "The first line of a table names its columns; a first line of numbers alone is taken for a row of data."
        with_data("mu ~ Normal(0, 1)\nplate row = rows { data y: real\n y ~ Normal(mu, 1) }\n", "1.5\n2.5\n");
    HeaderRepeats "E0604" Error
        "two columns of a table have the same name"
        "Data are found by the names of their columns, so a name may stand only once in the header. Columns without a name are passed over."
        with_data("mu ~ Normal(0, 1)\nplate row = rows { data y: real\n y ~ Normal(mu, 1) }\n", "y,y\n1,2\n2,3\n");
    RaggedRow "E0605" Error
        "a row has more or fewer cells than the header"
        "Every row has one cell for each column, and an empty cell keeps its comma. A comma inside a cell needs quotation marks around the cell."
        with_data("mu ~ Normal(0, 1)\nplate row = rows { data y: real\n y ~ Normal(mu, 1) }\n", "x,y\n1,2\n3\n");
    QuoteOpen "E0606" Error
        "a quotation mark is not closed"
        "A cell that starts with a quotation mark ends at the next one, over line breaks too. A quotation mark inside a quoted cell is written twice."
        with_data("mu ~ Normal(0, 1)\nplate row = rows { data y: real\n y ~ Normal(mu, 1) }\n", "y,note\n1,\"fine\n2,good\n");
    WrongSeparator "E0607" Error
        "a table is not separated by commas"
        "Cells are separated by commas, in files that end in `.tsv` or `.tab` by tabs. A header with semicolons comes from a spreadsheet in a country with decimal commas: export it with points and commas."
        with_data("mu ~ Normal(0, 1)\nplate row = rows { data y: real\n y ~ Normal(mu, 1) }\n", "x;y\n1;2,5\n");
    TableAbsent "E0608" Error
        "the model names a table that was not given"
        "`rows(T)` has one element for each row of table `T`, which `--table T=FILE` gives."
        with_data("mu ~ Normal(0, 1)\nplate visit = rows(visits) { data y: real\n y ~ Normal(mu, 1) }\n", "y\n1\n2\n");
    KeyColumnAbsent "E0609" Error
        "no table has the column whose values are a plate's elements"
        "The elements of a plate are the distinct values of the column of its name, or of the columns in its `levels(…)` or `union(…)`. They are looked for in each table that has rows below the plate, and in all tables when there is none."
        with_data("mu ~ Normal(0, 1)\nplate county { a ~ Normal(0, 1)\n plate row = rows { data y: real\n y ~ Normal(a, 1) } }\n", "count,y\nA,1\nB,2\n");
    ColumnAbsent "E0610" Error
        "no table has a column that the model declares"
        "A `data` column is read from the table of its plate, else from the tables of the rows below it. `= column(\"…\")` names a column that is called otherwise in the table."
        with_data("mu ~ Normal(0, 1)\nplate row = rows { data weight: real\n weight ~ Normal(mu, 1) }\n", "wieght,age\n1,2\n2,3\n");
    ColumnsAbsent "E0611" Error
        "no table has the columns of a vector"
        "Data with a shape, such as `x: real[3]`, are read from as many columns: those that `columns(…)` lists, those that match its pattern, else `x[1]`, `x[2]` …, `x1`, `x2` … or `x_1`, `x_2` …."
        with_data("mu ~ Normal(0, 1)\nplate row = rows { data x: real[2] = columns(\"x_*\")\n data y: real\n y ~ Normal(mu + sum(x), 1) }\n", "y,z_1,z_2\n1,2,3\n2,3,4\n");
    ValueMissing "E0612" Error
        "a value is missing"
        "A cell that is empty or holds `NA`, `N/A`, `NaN`, `nan`, `null`, `NULL` or `.` counts as missing. Only a column declared with `?` may have missing cells, a key never."
        with_data("mu ~ Normal(0, 1)\nplate row = rows { data y: real\n y ~ Normal(mu, 1) }\n", "y\n1\nNA\n");
    NoNumber "E0613" Error
        "a value is not a number"
        "Numbers are written with a decimal point and without separators between thousands; numbers that are not finite are no data."
        with_data("mu ~ Normal(0, 1)\nplate row = rows { data y: real\n y ~ Normal(mu, 1) }\n", "y\n1.5\n\"2,5\"\n");
    OutsideType "E0614" Error
        "a value lies outside the type of its column"
        "`positive` is above zero, `unit` lies between 0 and 1, `count` is 0, 1, 2 …, `binary` is 0 or 1 (also true/false and yes/no), `category(K)` and `ordinal(K)` are 1 … K."
        with_data("mu ~ Normal(0, 1)\nplate row = rows { data y: count\n y ~ Poisson(exp(mu)) }\n", "y\n1\n-2\n");
    LevelUnknown "E0615" Error
        "a text is none of a column's levels"
        "`ordinal(\"low\", \"mid\", \"high\")` lists all levels in their order, capitals as in the table; an `ordinal` without a list holds the integers 1 … K."
        with_data("c[2] ~ Ordered(Normal(0, 1))\nplate row = rows { data y: ordinal(\"low\", \"mid\", \"high\")\n y ~ OrderedLogistic(0, c) }\n", "y\nlow\nhihg\n");
    LevelCount "E0616" Error
        "a column has another number of levels than declared"
        "`category(K)` holds the integers 1 … K or exactly K labels. Without the number, the levels are those that occur."
        with_data("p[3] ~ Dirichlet([1, 1, 1])\nplate row = rows { data y: category(3)\n y ~ Categorical(p) }\n", "y\nred\nblue\n");
    KeyUnknown "E0617" Error
        "a key names an element that its plate does not have"
        "The labels of a plate come from its own table or from the columns that it is made of; a key in another place must be one of them, and is compared as an integer when all labels of the key are integers."
        with_data("plate team = union(home, away) { skill ~ Normal(0, 1) }\nplate game = rows { data winner: team\n data margin: real\n margin ~ Normal(skill[winner], 1) }\n", "home,away,winner,margin\nA,B,A,1\nB,C,D,2\n");
    KeyRepeats "E0618" Error
        "two rows of a plate's table have the same key"
        "A `levels` plate named like a table has one element for each row of it, so that its key is unique there."
        Example {
            model: "plate county { data u: real\n a ~ Normal(u, 1)\n plate row = rows { data y: real\n y ~ Normal(a, 1) } }\n",
            data: Some("county,y\nA,1\nB,2\n"),
            tables: &[("county", "county,u\nA,0.5\nB,1\nA,0.7\n")],
            set: &[],
        };
    NotNested "E0619" Error
        "an element lies in two elements of a plate that should hold it"
        "`plate class in school` states that each class lies in one school. Labels that start again in each school do not say that: `levels(school, class)` has one element for each combination."
        with_data("plate school { a ~ Normal(0, 1)\n plate class { b ~ Normal(a, 1)\n plate row = rows { data y: real\n y ~ Normal(b, 1) } } }\n", "school,class,y\nA,1,1\nB,1,2\nB,2,3\n");
    ParentsDisagree "E0620" Error
        "a row lies in two elements of a plate, by two ways"
        "When a row lies in a class and a class in a school, a `school` of the row's own must be the one of its class."
        Example {
            model: "plate school { a ~ Normal(0, 1)\n plate class { b ~ Normal(a, 1)\n plate row = rows { data y: real\n y ~ Normal(b, 1) } } }\n",
            data: Some("school,class,y\nA,1,1\nA,2,2\n"),
            tables: &[("class", "class,school\n1,A\n2,B\n")],
            set: &[],
        };
    NoParent "E0621" Error
        "nothing says in which element of a plate another one lies"
        "An element lies in the one whose label stands in the column named like the plate (or in the columns of its `levels`), in its own table or in that of the rows below it. A plate that only serves as a dimension holds no other plates."
        with_data("plate topic = 3 { a ~ Normal(0, 1)\n plate row = rows { data y: real\n y ~ Normal(a, 1) } }\n", "y\n1\n2\n");
    GroupVaries "E0622" Error
        "a group's column varies within the group"
        "A column of a plate has one value for each of its elements. Read from the rows below, it must be the same in all rows of an element; a value for each row belongs into the `rows` plate."
        with_data("plate county { data u: real\n a ~ Normal(u, 1)\n plate row = rows { data y: real\n y ~ Normal(a, 1) } }\n", "county,u,y\nA,0.5,1\nA,0.7,2\nB,0.1,3\n");
    NoValue "E0623" Error
        "an element has no row from which to read its column"
        "An element without rows below it has values only for the columns of its own table."
        Example {
            model: "plate county { data u: real\n a ~ Normal(u, 1)\n plate row = rows { data y: real\n y ~ Normal(a, 1) } }\n",
            data: Some("county,u,y\nA,0.5,1\n"),
            tables: &[("county", "county\nA\nB\n")],
            set: &[],
        };
    SizesDiffer "E0624" Error
        "two declarations fix a size differently"
        "A size such as `D` in `data x: real[D]` is one number in the whole file."
        with_data("plate row = rows { data x: real[D] = columns(\"x_*\")\n data z: real[D] = columns(\"z_*\")\n data y: real\n y ~ Normal(dot(x, z), 1) }\n", "x_1,x_2,z_1,z_2,z_3,y\n1,2,3,4,5,6\n7,8,9,1,2,3\n");
    NothingToScale "E0625" Error
        "a column that does not vary cannot be standardised"
        "`standardize` divides by the standard deviation over the column's plate, which is 0 when all values are equal, and unknown when there is one value only."
        with_data("b ~ Normal(0, 1)\nplate row = rows { data x, y: real\n y ~ Normal(b * standardize(x), 1) }\n", "x,y\n3,1\n3,2\n");
    BinaryTable "E0626" Error
        "a table is not stored as text"
        "Tables in Parquet (`.parquet`) and Arrow IPC (`.arrow`, `.feather`, `.ipc`) are known by the endings of their names, and read by a program that was built with the feature `parquet`; a file with any other name is read as text."
        with_data("mu ~ Normal(0, 1)\nplate row = rows { data y: real\n y ~ Normal(mu, 1) }\n", "PAR1\n");

    // E07: what is not available yet
    DistributionNotAvailable "E0701" Error
        "a distribution is not available yet"
        "The distribution or wrapper is part of the language and is not built yet."
        model("theta ~ Beta(5, 5)\nplate row = rows {\n  data y: real\n  y ~ mixture([theta, 1 - theta], Normal(-1, 1), Normal(1, 1))\n}\n");
    ChainNotAvailable "E0702" Error
        "chains are not available yet"
        "`order by`, `prev` and `first` make the elements of a plate a chain. They are part of the language and are not built yet."
        model("rho ~ Normal(0, 1)\nplate time = rows {\n  data y: real\n  y ~ Normal(rho * prev(y, 0), 1)\n}\n");
    MissingNotAvailable "E0703" Error
        "missing values are not available yet"
        "`?` makes the missing values of a column latent. It is part of the language and is not built yet."
        model("plate row = rows {\n  data x: real?\n  x ~ Normal(0, 1)\n}\n");
    DiscreteNotAvailable "E0704" Error
        "discrete latent variables are not available yet"
        "Discrete latent variables with finitely many values will be summed out exactly. `log_mix` and `log_sum_exp` do it by hand."
        model("plate row = rows {\n  data y: real\n  z ~ Bernoulli(0.5)\n  y ~ Normal(z, 1)\n}\n");
    FormNotAvailable "E0706" Error
        "a form of expression is not available yet"
        "The expression is part of the language and is not built yet."
        model("a[3] ~ Normal(0, 1)\nb = sort(a)\n");

    // E08: numbers that go wrong in a fit
    GuideTooLarge "E0801" Error
        "the guide has more parameters than can be fitted"
        "A `full_rank` guide has a parameter for every pair of unconstrained coordinates, a `structured` one for every pair within the top level. For many coordinates ask for `mean_field`, for all of them or for the largest variables."
        with_data("plate item = 20000 {\n  x ~ Normal(0, 1)\n}\nplate row = rows {\n  data y: real\n  y ~ Normal(0, 1)\n}\nguide { default full_rank }\n", "y\n0.5\n-0.3\n");
    LocalsNotIntegrated "E0802" Error
        "the locals cannot be integrated out"
        "`marginal` is a guide of the whole model. It integrates the variables of plates out given the globals, where their log density is quadratic or an element has at most three coordinates, and at most 300 globals are left or all of these are a `point`."
        with_data("plate group {\n  w[5] ~ Normal(0, 1)\n  plate row = rows {\n    data y: binary\n    y ~ Bernoulli(logit = sum(w))\n  }\n}\nguide { default marginal }\n", "group,y\na,1\nb,0\na,0\n");
    MixedLaplace "E0803" Error
        "the guide `laplace` is mixed with another"
        "`laplace` is a guide of the whole model: the Gaussian of the curvature at the mode of all variables together. Other families can be chosen for single variables or plates."
        model("mu, nu ~ Normal(0, 1)\nguide {\n  nu: laplace\n}\n");
    NotAmortized "E0804" Error
        "the locals of a plate cannot be found by gradient steps"
        "An amortised guide is for one plate below the top level whose elements are independent given the globals, and whose latent variables are `Normal(mean, sd)`. All other latent variables are at the top level."
        with_data("tau ~ HalfNormal(1)\nplate task {\n  w ~ StudentT(4, 0, tau)\n  plate row = rows {\n    data y: real\n    y ~ Normal(w, 1)\n  }\n}\nguide { task: amortized(sgd, steps = 5, rate = 0.1) }\n", "task,y\na,1\nb,0\na,0\n");
    RowsAtOnce "E0805" Error
        "all rows of a table are needed at once"
        "With `--stream` the main table is read in chunks of rows, and no more than a chunk of it is held. That is possible where a row says nothing of other rows: not for a variable with a value for each row, an aggregate over rows, or a plate or a key that lies in rows. Where a plate is `amortized` its elements take the place of rows, and each is read whole: an aggregate over the rows of an element is possible, one over elements is not."
        with_data("mu ~ Normal(0, 1)\nplate row = rows {\n  data y: real\n  z ~ Normal(mu, 1)\n  y ~ Normal(z, 1)\n}\n", "y\n0.5\n-0.3\n");
    RowsApart "E0806" Error
        "the rows of an element do not stand together"
        "With `--stream` a model whose guide is `amortized` reads the rows of some elements at a time. These stand together in the table: it is sorted by the key of the plate, in whatever order."
        with_data("m, s ~ Normal(0, 1)\nplate task {\n  w ~ Normal(m, exp(s))\n  plate row = rows {\n    data y: real\n    y ~ Normal(w, 1)\n  }\n}\nguide { task: amortized(sgd, steps = 5, rate = 0.1) }\n", "task,y\na,1\nb,0\na,0\n");

    // W: legal, and probably wrong
    ImproperPrior "W0101" Warning
        "a prior is improper"
        "A prior that does not integrate to 1 gives a posterior only if the data are enough, and no evidence to compare models by."
        model("mu ~ Flat()\nplate row = rows {\n  data y: real\n  y ~ Normal(mu, 1)\n}\n");
    UnusedData "W0102" Warning
        "data are declared and never used"
        "A declared column is read and checked, even if nothing depends on it."
        model("mu ~ Normal(0, 1)\nplate row = rows {\n  data x, y: real\n  y ~ Normal(mu, 1)\n}\n");
    UnusedName "W0103" Warning
        "a constant or a function is never used"
        "It can be left out."
        model("const K = 3\nmu ~ Normal(0, 1)\n");
    UnusedPlate "W0104" Warning
        "a plate is never used"
        "A plate without statements serves as a dimension or as a parent; this one is neither."
        model("mu ~ Normal(0, 1)\nplate word { }\n");
    MayLeaveDomain "W0105" Warning
        "a value may leave its domain"
        "Nothing shows that the value always lies where it must. Where it does not, the log density is not a number, and the fit says so."
        model("a, b ~ Normal(0, 1)\nplate row = rows {\n  data x: real\n  data y: count\n  y ~ Poisson(a + b * x)\n}\n");
    AggregateOfCrossed "W0106" Warning
        "an aggregate goes over all of a crossed plate"
        "An aggregate takes the elements that agree with the current one on every plate that both determine. If they share none, it takes all."
        model("plate item { b ~ Normal(0, 1) }\nplate student {\n  a ~ Normal(mean(item: b), 1)\n}\n");
    CategoryAsNumber "W0107" Warning
        "codes of a category are used as numbers"
        "Categories are coded in the order of their labels, which means nothing in arithmetic."
        model("b ~ Normal(0, 1)\nplate row = rows {\n  data region: category\n  data y: real\n  y ~ Normal(b * region, 1)\n}\n");
    ObservedTwice "W0108" Warning
        "a column is observed twice"
        "Two plates of the rows of one table observe the same column: each of its values counts twice."
        model("mu ~ Normal(0, 1)\nplate one = rows {\n  data y: real\n  y ~ Normal(mu, 1)\n}\nplate two = rows {\n  data z: real = column(\"y\")\n  z ~ Normal(mu, 1)\n}\n");
    GroupObservedOnce "W0601" Warning
        "a group's column is observed once per group, and stands in several rows"
        "An observed column of a plate counts once for each element of the plate, not once per row. When every row is an observation of its own, the column belongs into the `rows` plate."
        with_data("plate county { data y: real\n a ~ Normal(0, 1)\n y ~ Normal(a, 1)\n plate row = rows { data z: real\n z ~ Normal(a, 1) } }\n", "county,y,z\nA,1,1\nA,1,2\nB,3,4\n");
    OneElement "W0602" Warning
        "a plate has one element"
        "The spread between elements cannot be learned from one: the scale's posterior is its prior."
        with_data("plate county { a ~ Normal(0, 1)\n plate row = rows { data y: real\n y ~ Normal(a, 1) } }\n", "county,y\nA,1\nA,2\n");
    LevelsOfReals "W0603" Warning
        "the levels of a plate are measurements"
        "A plate whose elements are the distinct values of a column of fractions, none of them twice, has one element per row. A measurement belongs into `data`; a plate of one element per row is `= rows`."
        with_data("plate dose { a ~ Normal(0, 1)\n plate row = rows { data y: real\n y ~ Normal(a, 1) } }\n", "dose,y\n0.01,1\n0.02,1\n0.03,1\n0.04,1\n0.05,1\n0.06,1\n0.07,1\n0.08,1\n0.09,1\n0.10,1\n0.11,1\n0.12,1\n0.13,1\n0.14,1\n0.15,1\n0.16,1\n0.17,1\n0.18,1\n0.19,1\n0.20,1\n0.21,1\n0.22,1\n0.23,1\n0.24,1\n0.25,1\n0.26,1\n0.27,1\n0.28,1\n0.29,1\n0.30,1\n0.31,1\n0.32,1\n0.33,1\n0.34,1\n0.35,1\n0.36,1\n0.37,1\n0.38,1\n0.39,1\n0.40,1\n0.41,1\n0.42,1\n0.43,1\n0.44,1\n0.45,1\n0.46,1\n0.47,1\n0.48,1\n0.49,1\n0.50,1\n0.51,1\n");
    TableUnused "W0604" Warning
        "a table is given that the model does not use"
        "A table serves as `rows(T)`, or as the table of the `levels` plate of the same name."
        Example {
            model: "m ~ Normal(0, 1)\nplate row = rows { data y: real\n y ~ Normal(m, 1) }\n",
            data: Some("y\n1\n2\n"),
            tables: &[("county", "county,u\nA,1\n")],
            set: &[],
        };
}
