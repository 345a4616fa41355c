import { libraryChunksSuite } from './library-chunks-suite.js';
import { libraryEndingSuite } from './library-ending-suite.js';
import { libraryObjectsSuite } from './library-objects-suite.js';
import { libraryReadingSuite } from './library-reading-suite.js';

libraryObjectsSuite('sqlite');
libraryReadingSuite('sqlite');
libraryChunksSuite('sqlite');
libraryEndingSuite('sqlite');
