"""What stands behind the notebooks. What is taught stands in the notebooks themselves.

From the bottom up; a module imports only from layers above its own line here:

    validation      checks of what a caller gives; errors of one sentence
    files           a file written as a whole, or not at all
    sizes           the arithmetic of a sliding window, in whole numbers
    interrupts      interrupts of the kernel: when they suit, and where they arrive
    sharing         threads and memory of kernels side by side
    waiting         a bar while something takes its time, and what shows a widget
    links           where the course lies, and the links that open it there
    presets         a photo, small inputs, kernels
    digits          MNIST, or the small digits that scikit-learn brings
    networks        Net and ConvNet, and the trained weights in assets/
    autoencoders    Autoencoder, and trained ones in assets/
    figures         every matplotlib drawing but one
    planes          the plane of two numbers, with a decoder's digits all over it
    runs            Recipe and History: what a training follows, and what it leaves
    widgets.base    what every bench is made of; base.js, grid.js, heat.js, base.css
    widgets.monitor the live view of a training
    training        fit, evaluate
    inspection      feature maps, ablation, occlusion, shifts
    widgets.network a network as text; network.js, which computes it in the page
    familiarity     whether a picture is like the digits that were learned
    layers          one layer in words: its line, its formulas, what does not fit
    tracing         the shape that each layer gives, and why
    autograd        the graph behind a tensor, and what flows through it
    progress        notes of what was tried, and the table of a class
    predictions     predict: a guess, and the answer in a fold
    checking        the engine of the exercises' checkers
    widgets.*       one bench in each: NAME.py what Python says, NAME.js what is drawn
    handout         pages and decks of slides
    copies          notebooks for students, for the teacher, and for nbgrader

The checkers of the exercises stand beside the lessons, in notebooks/exercises/.
"""
